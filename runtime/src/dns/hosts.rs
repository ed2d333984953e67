//! The hosts file, read again when it has changed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::limits;

/// One hosts file (hosts(5)); one that is not there is empty.
pub(super) struct Hosts {
    path: PathBuf,
    read: Mutex<Contents>,
}

#[derive(Default)]
struct Contents {
    /// What the file was like when it was read.
    version: Option<(SystemTime, u64)>,
    names: HashMap<String, Vec<IpAddr>>,
}

impl Hosts {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, read: Mutex::default() }
    }

    /// The addresses of `name`, which is in lower case, without a last dot.
    pub(super) fn find(&self, name: &str) -> Vec<IpAddr> {
        // Held while a file is read, which is local, small and rarely new; only lookups come here, never a request.
        let mut contents = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let version = fs::metadata(&self.path).and_then(|file| Ok((file.modified()?, file.len()))).ok();
        if version != contents.version {
            let names = match self.read() {
                Ok(text) => parse(&text),
                Err(error) => {
                    if version.is_some() {
                        tracing::warn!(path = %self.path.display(), %error, "the hosts file cannot be read");
                    }
                    HashMap::new()
                }
            };
            *contents = Contents { version, names };
        }
        contents.names.get(name).cloned().unwrap_or_default()
    }

    fn read(&self) -> io::Result<String> {
        let mut bytes = Vec::new();
        File::open(&self.path)?.take(limits::DNS_HOSTS_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Address, then names, then perhaps a comment. What is no address is no line of ours, as for the C library.
fn parse(text: &str) -> HashMap<String, Vec<IpAddr>> {
    let mut names: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(ip) = words.next().and_then(|word| word.parse().ok()) else { continue };
        for name in words {
            let addresses = names.entry(name.trim_end_matches('.').to_ascii_lowercase()).or_default();
            if addresses.len() < limits::DNS_ADDRESSES {
                addresses.push(ip);
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_file_is_read_as_others_read_it() {
        let names = parse(
            "\u{feff}127.0.0.1 localhost\n::1\tLocalHost ip6-localhost # loopback\n\n# 10.0.0.9 commented\n\
             10.0.0.1 api.internal. api#x\nnonsense here\n10.0.0.2\nfe80::1%eth0 scoped\n",
        );
        let ips = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
        assert_eq!(names["localhost"], ips(&["127.0.0.1", "::1"]));
        assert_eq!(names["ip6-localhost"], ips(&["::1"]));
        assert_eq!(names["api.internal"], ips(&["10.0.0.1"]));
        assert_eq!(names["api"], ips(&["10.0.0.1"]));
        assert_eq!(names.len(), 4);
    }

    #[test]
    fn a_changed_file_counts_at_once_and_a_missing_one_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts");
        let hosts = Hosts::new(path.clone());
        assert!(hosts.find("a").is_empty());
        fs::write(&path, b"10.0.0.1 a \xff\n").unwrap();
        assert_eq!(hosts.find("a"), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
        fs::write(&path, "10.0.0.25 a\n").unwrap();
        assert_eq!(hosts.find("a"), ["10.0.0.25".parse::<IpAddr>().unwrap()]);
        fs::remove_file(&path).unwrap();
        assert!(hosts.find("a").is_empty());
    }
}
