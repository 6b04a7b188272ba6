//! What an import leaves as it is: a no that was said, and the handle somebody has now.

use super::*;
use liaison::domain::ids::InfluencerId;
use liaison::hub::people::{merge, unmerge};
use liaison::hub::unsubscribe::unsubscribe_by_hand;

async fn consents(fresh: &Fresh, address: &str) -> Vec<bool> {
    let mut tx = fresh.store.read().await.unwrap();
    let all = tx.list_consents(Channel::Email, vec![address.to_owned()]).await.unwrap();
    all.into_iter().map(|consent| consent.withdrawn_at.is_none()).collect()
}

async fn id_of(fresh: &Fresh, who: &str) -> InfluencerId {
    find_influencer(&mut fresh.store.read().await.unwrap(), who).await.unwrap().id
}

#[tokio::test]
async fn a_consent_of_somebody_who_said_no_is_left_out_and_told_with_its_line() {
    let file = "handle,email,consent.email.source,consent.email.at\n\
                @ana,ana@example.org,form,2030-05-01\n@bo,bo@example.org,form,2030-05-01\n@cy,cy@example.org,form,2030-05-01\n";
    for fresh in stores::both().await {
        let (clock, name) = (Clock::machine(), fresh.name);
        // Nobody's address yet, and a suppression that is no no of anybody.
        let mut tx = fresh.store.begin("test.no").await.unwrap();
        assert!(unsubscribe_by_hand(&mut tx, &clock, "ana@example.org", "kim".into()).await.unwrap());
        let by_hand = NewSuppression {
            address: "cy@example.org".into(),
            reason: SuppressionReason::ByHand,
            evidence: "kim".into(),
        };
        suppress_address(&mut tx, &clock, by_hand).await.unwrap();
        tx.commit().await.unwrap();
        for dry_run in [true, false] {
            let report = import_with(&fresh.store, file, &ImportOptions { dry_run, ..options() }).await;
            assert_eq!(counts(&report), (3, 0, 0, 0), "{name}: {report:?}");
            let told: Vec<u64> = report.remarks.iter().map(|remark| remark.line).collect();
            assert_eq!(told, [2], "{name}: {report:?}");
            let remark = &report.remarks[0].remark;
            assert!(
                remark.contains("ana@example.org wants no mail") && remark.contains("suppression remove"),
                "{remark}"
            );
        }
        assert_eq!(consents(&fresh, "ana@example.org").await, [] as [bool; 0], "{name}");
        assert_eq!(consents(&fresh, "bo@example.org").await, [true], "{name}");
        assert_eq!(consents(&fresh, "cy@example.org").await, [true], "{name}");
        let mut tx = fresh.store.read().await.unwrap();
        let keys = vec!["ana@example.org".to_owned()];
        assert_eq!(tx.suppressed(Channel::Email, keys).await.unwrap().len(), 1, "{name}: it holds");
        drop(tx);
        let again = import(&fresh.store, file).await;
        assert_eq!((counts(&again), again.remarks.len()), ((0, 0, 3, 0), 1), "{name}: {again:?}");
    }
}

#[tokio::test]
async fn a_row_under_a_handle_somebody_had_before_is_theirs() {
    for fresh in stores::both().await {
        let (clock, name) = (Clock::machine(), fresh.name);
        import(&fresh.store, "handle,email\n@ana,ana@example.org\n@ana_2,ana2@example.org\n@bo,bo@example.org\n").await;
        let (ana, twin, bo) = (id_of(&fresh, "@ana").await, id_of(&fresh, "@ana_2").await, id_of(&fresh, "@bo").await);
        let mut tx = fresh.store.begin("test.rename").await.unwrap();
        let renamed = |handle: &str| InfluencerChange { handle: Some(handle.into()), ..InfluencerChange::default() };
        update_influencer(&mut tx, &clock, bo, "kim", renamed("@bocooks")).await.unwrap();
        merge(&mut tx, &clock, ana, twin, "kim").await.unwrap();
        tx.commit().await.unwrap();
        let file = "handle,tags\n@Bo,soups\n@ana_2,trails\n";
        let report = import(&fresh.store, file).await;
        assert_eq!(counts(&report), (0, 2, 0, 0), "{name}: {report:?}");
        let told: Vec<&str> = report.remarks.iter().map(|remark| remark.remark.as_str()).collect();
        let expected =
            ["handle: @Bo is called @bocooks now, and stays so", "handle: @ana_2 is called @ana now, and stays so"];
        assert_eq!(told, expected, "{name}");
        let tags = fresh.store.read().await.unwrap().list_tags(vec![ana, bo]).await.unwrap();
        let mut tags: Vec<_> = tags.into_iter().map(|(id, tag)| (id == bo, tag)).collect();
        tags.sort();
        assert_eq!(tags, [(false, "trails".to_owned()), (true, "soups".to_owned())], "{name}");
        // One person under both handles is one too many; agents are tied to them as well.
        let twice = import(&fresh.store, "handle,tags\n@bocooks,a\n@bo,b\n").await;
        assert!(twice.failed[0].reasons[0].contains("@bo, who is @bocooks now, is in line 2 already"), "{twice:?}");
        let file = b"email,influencers\nmax@talent.example,@bo\n";
        let agents = import_agents(&fresh.store, &clock, file, &options(), &mut |_| {}).await.unwrap();
        assert!(agents.failed[0].reasons[0].contains("@bo was @bocooks's before"), "{name}: {agents:?}");
        let file = b"email,influencers\nmax@talent.example,@bocooks\n";
        let agents = import_agents(&fresh.store, &clock, file, &options(), &mut |_| {}).await.unwrap();
        assert_eq!(agents.created, 1, "{name}");
        // What is so already is so under the handle of then, too.
        let file = b"email,influencers\nmax@talent.example,@bo\n";
        let agents = import_agents(&fresh.store, &clock, file, &options(), &mut |_| {}).await.unwrap();
        assert_eq!(counts(&agents), (0, 0, 1, 0), "{name}: {agents:?}");
        assert_eq!(fresh.store.read().await.unwrap().agents_of_influencers(vec![bo]).await.unwrap().len(), 1, "{name}");
        // Whoever has a handle now comes before whoever had it.
        let mut tx = fresh.store.begin("test.unmerge").await.unwrap();
        unmerge(&mut tx, &clock, twin, "kim").await.unwrap();
        update_influencer(&mut tx, &clock, ana, "kim", renamed("@bo")).await.unwrap();
        tx.commit().await.unwrap();
        let report = import(&fresh.store, "handle,tags\n@bo,new\n@ana_2,new\n").await;
        assert_eq!((counts(&report), report.remarks.len()), ((0, 2, 0, 0), 0), "{name}: {report:?}");
        let tags = fresh.store.read().await.unwrap().list_tags(vec![ana, twin, bo]).await.unwrap();
        let new: Vec<bool> = tags.iter().filter(|(_, tag)| tag == "new").map(|(id, _)| *id == bo).collect();
        assert_eq!(new, [false, false], "{name}: {tags:?}");
    }
}

#[tokio::test]
async fn an_address_under_a_handle_somebody_had_before_makes_nobody_theirs() {
    for fresh in stores::both().await {
        let (clock, name) = (Clock::machine(), fresh.name);
        import(&fresh.store, "handle\n@bo\n").await;
        let bo = id_of(&fresh, "@bo").await;
        let mut tx = fresh.store.begin("test.rename").await.unwrap();
        let renamed = InfluencerChange { handle: Some("@bocooks".into()), ..InfluencerChange::default() };
        update_influencer(&mut tx, &clock, bo, "kim", renamed).await.unwrap();
        tx.commit().await.unwrap();
        // Somebody else may have taken it on the network.
        let report = import(&fresh.store, "handle,email\n@bo,other@example.org\n").await;
        assert_eq!(counts(&report), (0, 0, 0, 1), "{name}: {report:?}");
        let reason = &report.failed[0].reasons[0];
        assert!(reason.contains("@bo was @bocooks's before") && reason.contains("other@example.org"), "{reason}");
        let own = fresh.store.read().await.unwrap().list_addresses_of_influencers(vec![bo]).await.unwrap();
        assert_eq!(own.len(), 0, "{name}");
        // Nor does somebody else's agent become theirs; who is their agent already does not hinder.
        let report = import(&fresh.store, "handle,agent_email\n@bo,max@talent.example\n").await;
        assert_eq!(counts(&report), (0, 0, 0, 1), "{name}: {report:?}");
        assert!(report.failed[0].reasons[0].contains("max@talent.example is not known"), "{name}: {report:?}");
        import(&fresh.store, "handle,agent_email\n@bocooks,max@talent.example\n").await;
        let report = import(&fresh.store, "handle,agent_email\n@bo,max@talent.example\n").await;
        assert_eq!(counts(&report), (0, 0, 1, 0), "{name}: {report:?}");
    }
}

#[tokio::test]
async fn a_row_that_tells_of_a_no_comes_in_once_that_is_known_here() {
    for fresh in stores::both().await {
        let (clock, name) = (Clock::machine(), fresh.name);
        let file = "handle,agent_email,agent_suppressed\n@ana,max@talent.example,opted_out\n@bo,mo@talent.example,\n";
        let agents = b"email,suppressed\nmax@talent.example,opted_out\nmia@talent.example,\n";
        let report = import(&fresh.store, file).await;
        assert_eq!(counts(&report), (1, 0, 0, 1), "{name}: {report:?}");
        let reason = &report.failed[0].reasons[0];
        assert!(
            reason.starts_with("agent_suppressed: max@talent.example must not be written to (opted_out)"),
            "{reason}"
        );
        let told = import_agents(&fresh.store, &clock, agents, &options(), &mut |_| {}).await.unwrap();
        assert_eq!(counts(&told), (1, 0, 0, 1), "{name}: {told:?}");
        assert!(told.failed[0].reasons[0].starts_with("suppressed: max@talent.example must not"), "{name}: {told:?}");
        // That their mail comes back is known, which says nothing of their other addresses; that they said no is not.
        let bounced = NewSuppression {
            address: "max@talent.example".into(),
            reason: SuppressionReason::ByHand,
            evidence: "kim".into(),
        };
        let mut tx = fresh.store.begin("test.bounced").await.unwrap();
        suppress_address(&mut tx, &clock, bounced).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(counts(&import(&fresh.store, file).await), (0, 0, 1, 1), "{name}");
        let mut tx = fresh.store.begin("test.no").await.unwrap();
        assert!(unsubscribe_by_hand(&mut tx, &clock, "max@talent.example", "kim".into()).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(counts(&import(&fresh.store, file).await), (1, 0, 1, 0), "{name}");
        let told = import_agents(&fresh.store, &clock, agents, &options(), &mut |_| {}).await.unwrap();
        assert_eq!(counts(&told), (0, 0, 2, 0), "{name}: {told:?}");
    }
}
