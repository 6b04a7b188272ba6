//! How mail connections are secured, for IMAP and SMTP alike. It never downgrades and never skips a check.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::connector::ConnectorError;

pub use crate::config::accounts::Security;

impl Security {
    /// Refuses a plain connection to anything but this machine.
    pub fn check_host(self, host: &str) -> Result<(), ConnectorError> {
        if self != Self::Plain || is_loopback(host) {
            return Ok(());
        }
        Err(ConnectorError::Insecure(format!(
            "a connection without TLS is only allowed to this machine, not to {host}; use tls or starttls"
        )))
    }
}

/// Whether a host name or address can only mean this machine.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What a TLS connection is made with: the certificates in `ca_pem` and no others where it is given, else those the
/// operating system trusts (read once). The server's name is always checked.
///
/// Fails with [`ConnectorError::Insecure`] where there is no usable certificate.
pub fn client_config(ca_pem: Option<&[u8]>) -> Result<Arc<ClientConfig>, ConnectorError> {
    static SYSTEM: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(pem) = ca_pem {
        return build(private_roots(pem)?);
    }
    if let Some(config) = SYSTEM.get() {
        return Ok(Arc::clone(config));
    }
    let config = build(system_roots()?)?;
    Ok(Arc::clone(SYSTEM.get_or_init(|| config)))
}

fn build(roots: RootCertStore) -> Result<Arc<ClientConfig>, ConnectorError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ConnectorError::Insecure(format!("TLS can't be set up: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn private_roots(pem: &[u8]) -> Result<RootCertStore, ConnectorError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate =
            certificate.map_err(|error| ConnectorError::Insecure(format!("the CA file is not valid PEM: {error}")))?;
        roots
            .add(certificate)
            .map_err(|error| ConnectorError::Insecure(format!("the CA file holds an unusable certificate: {error}")))?;
    }
    if roots.is_empty() {
        return Err(ConnectorError::Insecure("the CA file holds no certificate in PEM form".to_owned()));
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, ConnectorError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
        return Err(ConnectorError::Insecure(format!(
            "this system has no trusted certificates{why}; install the ca-certificates package or name a CA file"
        )));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_for_this_machine_only() {
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "::1", "[::1]"] {
            assert_eq!(Security::Plain.check_host(host), Ok(()), "{host}");
        }
        for host in ["mail.example.org", "192.0.2.1", "localhost.example.org", ""] {
            assert!(matches!(Security::Plain.check_host(host), Err(ConnectorError::Insecure(_))), "{host}");
            assert_eq!(Security::Tls.check_host(host), Ok(()), "{host}");
        }
    }

    #[test]
    fn ca_file_without_certificates_is_refused() {
        for pem in [&b""[..], b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(client_config(Some(pem)), Err(ConnectorError::Insecure(_))));
        }
    }
}
