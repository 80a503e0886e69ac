//! A test's own folder, which stays behind when the test fails: logs and data in it show why.

use std::path::Path;

use tempfile::TempDir;

/// A folder that is deleted with this value, unless the test is failing or `SYNCWELL_TEST_KEEP` is set.
#[derive(Debug)]
pub(crate) struct TestFolder(TempDir);

impl TestFolder {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("syncwell-test-").tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        if std::thread::panicking() || std::env::var_os("SYNCWELL_TEST_KEEP").is_some() {
            self.0.disable_cleanup(true);
            println!("the test's folder stays: {}", self.0.path().display());
        }
    }
}
