//! `syncwell keys create`: an installation's first keys.

use std::path::Path;
use std::process::ExitCode;

use super::{print, tell};
use crate::development::Issuer;
use crate::home::Home;

pub(super) fn create(data_dir: &Path, development: bool) -> anyhow::Result<ExitCode> {
    let home = Home::at(data_dir);
    home.create_keys()?;
    if development {
        Issuer::create(&home)?;
    }
    tell(format_args!(
        "keys and secrets are in {}; what existed was kept. The broker's environment:",
        data_dir.display()
    ));
    for (role, key) in home.role_keys()? {
        print(format_args!("{}={key}", role.variable()));
    }
    Ok(ExitCode::SUCCESS)
}
