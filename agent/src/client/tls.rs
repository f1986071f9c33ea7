//! TLS that verifies: whom to believe, and what to say when a certificate isn't good.

use super::failure::{Broken, Phase};
use super::provider::provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// Whom to believe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// These authorities alone: a PEM file.
    pub ca_file: Option<PathBuf>,
    /// These authorities alone: PEM text.
    pub ca_cert: Option<Vec<u8>>,
    /// Anybody.
    pub insecure: bool,
}

/// Where distributions keep the authorities that they trust.
const SYSTEM_STORES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",   // Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",             // openSUSE
    "/etc/ssl/cert.pem",                  // Alpine, BSD
];

/// A TLS connection that has yet to shake hands.
pub(super) fn connection(trust: &Trust, host: &str) -> Result<ClientConnection, Broken> {
    let unusable = |why: String| Broken::new(Phase::Tls, why);
    let name = host.split('%').next().unwrap_or(host);
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| unusable(format!("{host} can't be in a certificate")))?;
    let builder = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(e.to_string()))?;
    let config = if trust.insecure {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(anybody::Anybody(provider())))
    } else {
        builder.with_root_certificates(roots(trust)?)
    };
    ClientConnection::new(Arc::new(config.with_no_client_auth()), name)
        .map_err(|e| unusable(e.to_string()))
}

fn roots(trust: &Trust) -> Result<RootCertStore, Broken> {
    let pem = match (&trust.ca_cert, &trust.ca_file) {
        (Some(pem), _) => pem.clone(),
        (None, Some(file)) => std::fs::read(file)
            .map_err(|e| Broken::new(Phase::Tls, format!("can't read the authorities in {}: {e}", file.display())))?,
        (None, None) => SYSTEM_STORES.iter().find_map(|file| std::fs::read(file).ok()).ok_or_else(|| {
            Broken::new(Phase::Tls, "this system has no store of trusted authorities")
                .advising("Install the package ca-certificates, or name the authority's certificate with --cacert.")
        })?,
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
    if roots.is_empty() {
        return Err(Broken::new(
            Phase::Tls,
            "there is no certificate among the authorities to trust",
        ));
    }
    Ok(roots)
}

/// What went wrong between us and the server, in words.
pub(super) fn broken(error: &io::Error) -> Broken {
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(rustls::Error::InvalidMessage(_)) => {
            Broken::new(Phase::Tls, "it does not speak TLS").advising("Is http:// meant?")
        }
        Some(tls) => Broken::new(Phase::Tls, tls.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            Broken::new(Phase::Tls, "it hung up")
        }
        None => Broken::io(Phase::Tls, error),
    }
}

/// `--insecure`
mod anybody {
    use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
    use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::{DigitallySignedStruct, Error, SignatureScheme};

    /// Takes any certificate; the server must still hold its key.
    #[derive(Debug)]
    pub(super) struct Anybody(pub(super) CryptoProvider);

    impl ServerCertVerifier for Anybody {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, Error> {
            Ok(ServerCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(
                message,
                cert,
                dss,
                &self.0.signature_verification_algorithms,
            )
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            cert: &CertificateDer<'_>,
            dss: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(
                message,
                cert,
                dss,
                &self.0.signature_verification_algorithms,
            )
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }
}
