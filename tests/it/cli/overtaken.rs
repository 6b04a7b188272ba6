//! A write of the command line that another change overtook is done again: nothing of it was written.

use super::{Desk, folder_for, liaison};
use crate::{seed, stores};
use liaison::store::again::TRIES_MAX;

/// Every insert into a table fails as one that was overtaken, until it was tried so often. What counts the tries is not rolled
/// back with them.
async fn overtake(desk: &Desk, table: &str, times: u32) {
    for sql in [
        format!("DROP TRIGGER IF EXISTS overtaken ON {table}"),
        "DROP SEQUENCE IF EXISTS tries".to_owned(),
        "CREATE SEQUENCE tries".to_owned(),
        format!(
            "CREATE OR REPLACE FUNCTION overtake_{table}() RETURNS trigger AS $$ BEGIN IF nextval('tries') <= {times} THEN \
             RAISE EXCEPTION 'overtaken' USING ERRCODE = '40001'; END IF; RETURN NEW; END $$ LANGUAGE plpgsql"
        ),
        format!(
            "CREATE TRIGGER overtaken BEFORE INSERT ON {table} FOR EACH STATEMENT EXECUTE FUNCTION overtake_{table}()"
        ),
    ] {
        seed::run(&desk.fresh, &sql, &[]).await;
    }
}

async fn tries(desk: &Desk) -> i64 {
    seed::count(&desk.fresh, "SELECT last_value FROM tries").await
}

#[tokio::test]
async fn write_of_the_command_line_is_done_again_where_it_was_overtaken() {
    let Some(fresh) = stores::postgres().await else {
        println!("skipped: LIAISON_TEST_POSTGRES is not set");
        return;
    };
    let desk = Desk::new(fresh).await;
    let (_keep, dir) = folder_for(&desk);
    let run = |args: &[&str]| liaison(&dir, args);
    run(&["influencer", "add", "--handle", "@zoe", "--email", "zoe@example.org"]).well();

    overtake(&desk, "note", 3).await;
    run(&["influencer", "note", "@zoe", "Met at the fair."]).well().says(0, "noted on");
    assert_eq!(tries(&desk).await, 4);
    assert_eq!(seed::count(&desk.fresh, "SELECT COUNT(*) FROM note").await, 1, "once");

    // The text comes from a person, once, and is there in the last try as well.
    overtake(&desk, "outbox", 2).await;
    let send = ["send", "--to", "@zoe", "--account", "hello", "--subject", "Shoes", "--text", "Hello Zoe", "--json"];
    let sent = run(&send).well().json();
    assert_eq!((tries(&desk).await, sent["text"].as_str()), (3, Some("Hello Zoe")), "{sent}");
    assert_eq!(seed::count(&desk.fresh, "SELECT COUNT(*) FROM outbox").await, 1, "once");

    // Not for ever: whoever asked is told.
    overtake(&desk, "suppression", u32::MAX / 2).await;
    run(&["suppression", "add", "zoe@example.org"]).says(1, "another transaction changed the same rows");
    assert_eq!(tries(&desk).await, i64::from(TRIES_MAX));
    assert_eq!(seed::count(&desk.fresh, "SELECT COUNT(*) FROM suppression").await, 0);
}
