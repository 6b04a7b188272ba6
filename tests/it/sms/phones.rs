//! Numbers of every region, as its people write them and as the world does.

use liaison::domain::phone;

/// Rows of the table: a number of each sort that a region has.
const ROWS: usize = 1_374;

#[test]
fn numbers_of_the_world_become_e164() {
    let Some(dir) = crate::peers::corpora() else { return crate::peers::skip_corpora() };
    let table = std::fs::read_to_string(dir.join("contacts/phones.tsv")).expect("phones.tsv");
    let (mut rows, mut wrong, mut regions) = (0, Vec::new(), 0);
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let (region, national, international, e164) = (cells[0], cells[2], cells[3], cells[4]);
        rows += 1;
        // A number that is written in full means the same wherever we are.
        let readings =
            [(national, Some(region)), (international, None), (international, Some("US")), (e164, Some("RU"))];
        for (text, default_region) in readings {
            let got = phone::key(text, default_region);
            if got.as_deref() != Ok(e164) {
                wrong.push(format!("{text} in {default_region:?} is {e164}, not {got:?}"));
            }
        }
        assert!(phone::is_key(e164), "{e164}");
        regions += usize::from(phone::region(e164) == Some(region));
    }
    println!("{rows} numbers, each written in four ways, {} wrong; {regions} tell their region", wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(rows, ROWS);
    // The others share a plan with a neighbour: a toll-free number of Saint Kitts is one of the United States.
    assert!(regions >= ROWS - 150, "{regions}");
}
