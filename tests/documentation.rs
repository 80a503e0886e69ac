//! The documentation: links lead somewhere, and the tests that `docs/INVARIANTS.md` names exist.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every page of the repository, but for the list of old names.
fn pages() -> Vec<PathBuf> {
    let folders = [root(), root().join("docs"), root().join("docs/adr"), root().join("tests")];
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let pages: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .filter(|path| !path.ends_with("RENAMES.md"))
        .collect();
    assert!(pages.len() > 20, "only {} pages were found", pages.len());
    pages
}

/// The targets of a page's Markdown links.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

#[test]
fn relative_links_lead_to_files() {
    let mut checked = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for target in links(&text).filter(|target| !target.starts_with("http") && !target.starts_with('#')) {
            let file = target.split('#').next().unwrap();
            assert!(page.parent().unwrap().join(file).exists(), "{}: {target}", page.display());
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} links were found");
}

#[test]
fn every_invariant_names_tests_that_exist() {
    let text = std::fs::read_to_string(root().join("docs/INVARIANTS.md")).unwrap();
    let mut checked = 0;
    for line in text.lines().filter(|line| line.starts_with("- `")) {
        let mut names = line.split('`').skip(1).step_by(2);
        let file = names.next().unwrap();
        let source = std::fs::read_to_string(root().join(file))
            .unwrap_or_else(|error| panic!("{file} of docs/INVARIANTS.md: {error}"));
        for function in names {
            assert!(source.contains(&format!("fn {function}(")), "{file} has no {function}");
            checked += 1;
        }
    }
    assert!(checked > 50, "only {checked} tests were found");
    let statements = text.lines().filter(|line| line.starts_with("**")).count();
    assert!(statements > 20, "only {statements} invariants were found");
}

/// Pairs of a file and something in it, as `docs/ARCHITECTURE.md` writes them: `` `path/file.rs` `name` ``.
#[test]
fn the_architecture_names_functions_that_exist() {
    let text = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let mut checked = 0;
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let spans: Vec<_> = line.split('`').collect();
        for window in spans.windows(3) {
            let [file, between, name] = window else { continue };
            if *between == " " && file.ends_with(".rs") && root().join(file).exists() {
                let source = std::fs::read_to_string(root().join(file)).unwrap();
                let function = name.rsplit("::").next().unwrap();
                assert!(source.contains(function), "{file} has no {name}");
                checked += 1;
            }
        }
        for file in spans.iter().filter(|span| span.ends_with(".rs") && span.contains("/src/")) {
            assert!(root().join(file).exists(), "{file}");
        }
    }
    assert!(checked > 20, "only {checked} names were found");
}
