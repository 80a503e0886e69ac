//! Resident memory of a process, in megabytes (10^6 bytes).

use std::path::{Path, PathBuf};
use std::process::Command;

/// Reads it from `/proc`; 0 on systems without it. `process` is a process id or `self`.
pub(super) fn from_proc(process: &str) -> f64 {
    let status = std::fs::read_to_string(status_file(process)).unwrap_or_default();
    vm_rss_kib(&status).and_then(parse_mb).unwrap_or_default()
}

/// Reads it from `/proc`, on systems without it from `ps`; `None` if neither tells.
pub(super) fn from_system(process: u32) -> anyhow::Result<Option<f64>> {
    let process = process.to_string();
    match std::fs::read_to_string(status_file(&process)) {
        Ok(status) => Ok(vm_rss_kib(&status).and_then(parse_mb)),
        Err(_) => {
            let output = Command::new("ps").args(["-o", "rss=", "-p", &process]).output()?;
            Ok(parse_mb(&String::from_utf8(output.stdout)?))
        }
    }
}

fn status_file(process: &str) -> PathBuf {
    Path::new("/proc").join(process).join("status")
}

fn vm_rss_kib(status: &str) -> Option<&str> {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"))
}

fn parse_mb(kib: &str) -> Option<f64> {
    let kib: f64 = kib.trim().parse().ok()?;
    Some(kib * 1_024.0 / 1e6)
}
