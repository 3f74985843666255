//! Owns TLS towards servers: whom to trust, and the one configuration that the hot path and discovery share.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme, WantsVerifier};
use tokio_rustls::TlsConnector;

use crate::error::Error;

/// Whom to trust. TLS 1.2 and 1.3 with `ring`, HTTP/1.1 only, the server's name sent along (SNI). Shared by all workers.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
}

impl Tls {
    /// Trusts nobody, and so costs nothing: for runs over plain HTTP.
    pub fn nobody() -> Result<Self, Error> {
        Ok(Self::over(builder()?.0.with_root_certificates(RootCertStore::empty()).with_no_client_auth()))
    }

    /// Trusts the authorities of this machine, or of `SSL_CERT_FILE`.
    pub fn machine() -> Result<Self, Error> {
        let roots = machine_roots();
        if roots.is_empty() {
            return Err(Error::usage(
                "--target",
                "https needs certificate authorities to trust, and this machine has none",
                "install its ca-certificates, or give --ca-cert FILE",
            ));
        }
        Ok(Self::over(builder()?.0.with_root_certificates(roots).with_no_client_auth()))
    }

    /// Trusts the authorities of this machine, and those in `pem`, which was read from `path`.
    pub fn machine_and(pem: &[u8], path: &Path) -> Result<Self, Error> {
        let refuse = |why: String| Error::input(path, format!("{why}; --ca-cert takes certificates in PEM (BEGIN CERTIFICATE)"));
        let mut roots = machine_roots();
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|why| refuse(format!("cannot be read as PEM: {why}")))?;
            roots.add(certificate).map_err(|why| refuse(format!("holds a certificate that cannot be trusted: {why}")))?;
            found = true;
        }
        if !found {
            return Err(refuse("holds no certificate".to_owned()));
        }
        Ok(Self::over(builder()?.0.with_root_certificates(roots).with_no_client_auth()))
    }

    /// Takes any certificate from anyone (`--insecure`).
    pub fn anyone() -> Result<Self, Error> {
        let (builder, provider) = builder()?;
        let anyone = Anyone { schemes: provider.signature_verification_algorithms.supported_schemes() };
        Ok(Self::over(builder.dangerous().with_custom_certificate_verifier(Arc::new(anyone)).with_no_client_auth()))
    }

    fn over(mut config: ClientConfig) -> Self {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { config: Arc::new(config) }
    }

    pub(super) fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// The TLS side of connections to `host`, a name or an address.
    pub(super) fn towards(&self, host: &str) -> Result<Secure, Error> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            Error::usage("--target", format!("`{host}` cannot stand in a certificate"), "accepted is a host name or an address")
        })?;
        Ok(Secure { config: self.config.clone(), name })
    }
}

/// How connections to one https target are secured.
#[derive(Debug, Clone)]
pub(super) struct Secure {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Secure {
    pub(super) fn connector(&self) -> (TlsConnector, ServerName<'static>) {
        (TlsConnector::from(self.config.clone()), self.name.clone())
    }
}

type Builder = ConfigBuilder<ClientConfig, WantsVerifier>;

fn builder() -> Result<(Builder, Arc<CryptoProvider>), Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|why| Error::Internal(format!("no TLS: {why}")))?;
    Ok((builder, provider))
}

/// What cannot be read or parsed is left out, as every browser does: one odd file must not take all trust away.
fn machine_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Believes everyone.
#[derive(Debug)]
struct Anyone {
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verify_tls12_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
