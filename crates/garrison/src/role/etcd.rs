//! The flags of the store in etcd.

use anyhow::{Context, Result};
use garrison_server::etcd::{Config, User};
use std::path::PathBuf;

/// Upstream's names, and `--etcd-servers` for who has it in his fingers.
#[derive(Debug, clap::Args)]
pub(crate) struct EtcdArgs {
    /// Keep all objects in this etcd instead of a file: URLs of its members, separated by commas
    #[arg(long, value_name = "URL", value_delimiter = ',', alias = "etcd-servers")]
    etcd_endpoints: Vec<String>,
    /// PEM file of the authority that signed etcd's certificates
    #[arg(long, value_name = "FILE", requires = "etcd_endpoints")]
    etcd_cafile: Option<PathBuf>,
    /// PEM file of the certificate to show etcd
    #[arg(long, value_name = "FILE", requires = "etcd_keyfile")]
    etcd_certfile: Option<PathBuf>,
    /// PEM file of that certificate's key
    #[arg(long, value_name = "FILE", requires = "etcd_certfile")]
    etcd_keyfile: Option<PathBuf>,
    /// Where in etcd the objects are
    #[arg(long, value_name = "PATH", default_value = "/registry")]
    etcd_prefix: String,
    /// The user of etcd to log in as
    #[arg(long, value_name = "NAME", requires = "etcd_password_file")]
    etcd_username: Option<String>,
    /// File that holds that user's password
    #[arg(long, value_name = "FILE", requires = "etcd_username")]
    etcd_password_file: Option<PathBuf>,
}

impl EtcdArgs {
    /// What the server is told; nothing when no endpoint is named.
    ///
    /// # Errors
    /// When the file of the password cannot be read.
    pub(crate) fn config(self) -> Result<Option<Config>> {
        if self.etcd_endpoints.is_empty() {
            return Ok(None);
        }
        let user = match self.etcd_username.zip(self.etcd_password_file) {
            None => None,
            Some((name, file)) => {
                let password = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
                Some(User { name, password: password.trim_end_matches(['\r', '\n']).into() })
            }
        };
        Ok(Some(Config {
            ca_file: self.etcd_cafile,
            identity: self.etcd_certfile.zip(self.etcd_keyfile),
            user,
            prefix: self.etcd_prefix,
            ..Config::new(self.etcd_endpoints)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        etcd: EtcdArgs,
    }

    fn parse(flags: &[&str]) -> Result<Option<Config>> {
        Flags::try_parse_from([&["server"], flags].concat())?.etcd.config()
    }

    #[test]
    fn endpoints_choose_etcd() {
        assert!(parse(&[]).expect("parses").is_none());
        let config =
            parse(&["--etcd-servers=https://a:2379,https://b:2379", "--etcd-cafile=ca.crt"]).expect("parses").expect("etcd");
        assert_eq!(config.endpoints, ["https://a:2379", "https://b:2379"]);
        assert_eq!((config.prefix.as_str(), config.ca_file), ("/registry", Some("ca.crt".into())));
    }

    #[test]
    fn a_password_comes_from_its_file_without_the_end_of_its_line() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "open sesame\n").expect("writes");
        let flags = ["--etcd-endpoints=http://a:2379", "--etcd-username=garrison", "--etcd-password-file"];
        let path = file.path().display().to_string();
        let user = parse(&[&flags[..], &[&path]].concat()).expect("parses").expect("etcd").user.expect("a user");
        assert_eq!((user.name.as_str(), user.password.as_str()), ("garrison", "open sesame"));
    }

    #[test]
    fn what_belongs_together_is_asked_for_together() {
        for flags in [
            &["--etcd-endpoints=https://a:2379", "--etcd-certfile=a.crt"][..],
            &["--etcd-endpoints=https://a:2379", "--etcd-keyfile=a.key"],
            &["--etcd-endpoints=https://a:2379", "--etcd-username=a"],
            &["--etcd-cafile=ca.crt"],
        ] {
            assert!(parse(flags).is_err(), "{flags:?}");
        }
    }
}
