//! The charts of the documents are drawn from the tables beside them.

#[path = "../../examples/charts.rs"]
mod drawing;

use std::fs;
use std::path::Path;

#[test]
fn every_chart_shows_the_table_above_it() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let drawn = drawing::charts(&docs);
    for (file, svg) in &drawn {
        assert!(
            fs::read_to_string(file).is_ok_and(|kept| kept == *svg),
            "{} is stale: make generate",
            file.display()
        );
    }
    let kept = fs::read_dir(docs.join("charts"))
        .expect("docs/charts")
        .count();
    assert_eq!(kept, drawn.len(), "a chart that no document shows");
}
