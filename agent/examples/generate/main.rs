//! Writes both programs' man pages and completions from the tables of commands and options:
//!
//! ```sh
//! cargo run --package onegate --example generate
//! ```
//!
//! They are committed in `packaging/generated/`, so that a package needs no tool but its own; a test says when they
//! are stale.

mod pages;

fn main() -> std::io::Result<()> {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/generated");
    std::fs::create_dir_all(&directory)?;
    for (name, text) in pages::all() {
        std::fs::write(directory.join(&name), text)?;
        println!("{name}");
    }
    Ok(())
}
