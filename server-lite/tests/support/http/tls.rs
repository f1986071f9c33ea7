//! A certificate for a test, and clients that trust it.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use onegate_server_lite::http::tls::Tls;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{Client, connect};

pub struct Files {
    _directory: tempfile::TempDir,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Files {
    pub fn new() -> Files {
        let directory = tempfile::tempdir().unwrap();
        let files = Files {
            certificate: directory.path().join("cert.pem"),
            key: directory.path().join("key.pem"),
            _directory: directory,
        };
        files.renew();
        files
    }

    /// Another certificate and key; its DER.
    pub fn renew(&self) -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed(vec!["gate".to_string()]).unwrap();
        fs::write(&self.certificate, made.cert.pem()).unwrap();
        fs::write(&self.key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().to_vec()
    }

    /// A certificate and key that end with that day's beginning.
    pub fn valid_until(&self, year: i32, month: u8, day: u8) {
        let mut params = rcgen::CertificateParams::new(vec!["gate".to_string()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, month, day);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(&self.certificate, certificate.pem()).unwrap();
        fs::write(&self.key, key.serialize_pem()).unwrap();
    }

    pub fn load(&self) -> Arc<Tls> {
        Arc::new(Tls::load(&self.certificate, &self.key).unwrap())
    }
}

pub fn session(
    files: &Files,
    version: &'static rustls::SupportedProtocolVersion,
) -> ClientConnection {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&files.certificate).unwrap())
        .unwrap();
    let config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    ClientConnection::new(Arc::new(config), ServerName::try_from("gate").unwrap()).unwrap()
}

pub fn connect_tls(
    address: SocketAddr,
    files: &Files,
) -> Client<StreamOwned<ClientConnection, TcpStream>> {
    connect_version(address, files, &rustls::version::TLS13)
}

pub fn connect_version(
    address: SocketAddr,
    files: &Files,
    version: &'static rustls::SupportedProtocolVersion,
) -> Client<StreamOwned<ClientConnection, TcpStream>> {
    Client::over(StreamOwned::new(
        session(files, version),
        connect(address).stream,
    ))
}
