//! TLS that verifies, and what to say when a certificate isn't good.

use super::authorities::{self, Authorities, Trust};
use super::failure::{Broken, Phase};
use super::provider::provider;
use crate::trace;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, Error};
use std::io;
use std::sync::Arc;

/// A TLS connection that has yet to shake hands.
pub(super) fn connection(trust: &Trust, host: &str) -> Result<ClientConnection, Broken> {
    let unusable = |why: String| Broken::new(Phase::Tls, why);
    let name = host.split('%').next().unwrap_or(host);
    let name = ServerName::try_from(name.to_owned())
        .map_err(|_| unusable(format!("{host} can't be in a certificate")))?;
    let provider = Arc::new(provider());
    let authorities = Authorities::read(trust, &provider)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| unusable(e.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(authorities))
        .with_no_client_auth();
    ClientConnection::new(Arc::new(config), name).map_err(|e| unusable(e.to_string()))
}

/// What was agreed upon, and with whom.
pub(super) fn trace(connection: &ClientConnection) {
    let suite = connection.negotiated_cipher_suite();
    let suite = match suite.map(|suite| u16::from(suite.suite())) {
        Some(0x1301) => "TLS 1.3, AES_128_GCM_SHA256",
        Some(0x1302) => "TLS 1.3, AES_256_GCM_SHA384",
        Some(0xc02b) => "TLS 1.2, ECDHE_ECDSA, AES_128_GCM_SHA256",
        Some(0xc02c) => "TLS 1.2, ECDHE_ECDSA, AES_256_GCM_SHA384",
        Some(0xc02f) => "TLS 1.2, ECDHE_RSA, AES_128_GCM_SHA256",
        Some(0xc030) => "TLS 1.2, ECDHE_RSA, AES_256_GCM_SHA384",
        _ => "TLS",
    };
    let chain = connection.peer_certificates().unwrap_or_default();
    let (subject, issuer) = chain.first().map(authorities::names).unwrap_or_default();
    trace::step(format_args!(
        "{suite}; certificate of '{subject}', issued by '{issuer}'"
    ));
}

/// What went wrong between us and the server, in words.
pub(super) fn broken(error: &io::Error) -> Broken {
    let (why, advice) = match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>())
    {
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Broken::new(Phase::Tls, "it hung up");
        }
        None => return Broken::io(Phase::Tls, error),
        Some(Error::InvalidMessage(_)) => ("it does not speak TLS".to_owned(), "Is http:// meant?"),
        Some(Error::InvalidCertificate(fault)) => certificate(fault),
        Some(Error::PeerIncompatible(_)) => (
            "it speaks no TLS 1.2 or 1.3 that is known here".to_owned(),
            OLD,
        ),
        Some(Error::AlertReceived(
            AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion,
        )) => (
            "it found no version or cipher suite that both know".to_owned(),
            OLD,
        ),
        Some(other) => return Broken::new(Phase::Tls, other.to_string()),
    };
    Broken::new(Phase::Tls, why).advising(advice)
}

const OLD: &str = "It must speak TLS 1.2 or 1.3 with ECDHE and AES-GCM.";
const CLOCK: &str = "If its dates are right, look at the clock of this VM: date";

fn certificate(fault: &CertificateError) -> (String, &'static str) {
    let (why, advice) = match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("the server's certificate has expired", CLOCK)
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            ("the server's certificate is not valid yet", CLOCK)
        }
        CertificateError::UnknownIssuer => (
            "the server's certificate is from an authority that is not trusted here",
            "Name that authority's certificate, or the server's own if it is self-signed, with --cacert FILE or \
             ONEGATE_CA_FILE, or in the context as ONEGATE_CA_CERT (base64 of the PEM).",
        ),
        CertificateError::BadSignature => (
            "the server's certificate bears the name of an authority that is trusted here, but not its signature",
            "Has the authority been made anew? Then its certificate here (--cacert, ONEGATE_CA_FILE) is the old one.",
        ),
        CertificateError::NotValidForNameContext { presented, .. } => {
            let what = match presented.is_empty() {
                true => "the server's certificate has no subjectAltName".to_owned(),
                false => {
                    let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
                    format!("the server's certificate is for {}", names.join(", "))
                }
            };
            return (what, ANOTHER_NAME);
        }
        CertificateError::NotValidForName => {
            ("the server's certificate is for another name", ANOTHER_NAME)
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => (
            "the server's certificate is an authority's own",
            "A server needs one of its own, with basicConstraints CA:FALSE; or name exactly this one with --cacert FILE or \
             ONEGATE_CA_FILE.",
        ),
        other => {
            return (
                format!("the server's certificate is not good: {other}"),
                "Its issuer must mend it.",
            );
        }
    };
    (why.to_owned(), advice)
}

/// rustls' `DnsName("one.example")` without what is around it.
fn bare(presented: &str) -> &str {
    let inner = presented
        .split_once('(')
        .map_or(presented, |(_, inner)| inner);
    inner.trim_matches(['"', '(', ')'])
}

const ANOTHER_NAME: &str =
    "ONEGATE_ENDPOINT must have a name that is in the certificate, as subjectAltName.";
