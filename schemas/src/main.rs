//! Writes the documents of this folder anew: `cargo run -p schemas`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, text) in schemas::generated_documents() {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}
