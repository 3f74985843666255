//! Owns TLS towards servers: which certificates to trust, and the configuration that hot path and discovery share.

use std::error::Error as StdError;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme, WantsVerifier,
};
use tokio_rustls::TlsConnector;

use super::traffic::HttpVersion;
use crate::error::Error;
use crate::units::visible;

/// The TLS configuration: TLS 1.2 and 1.3 with `ring`, HTTP/2 and HTTP/1.1 (ALPN), the server's name is sent (SNI). It
/// decides which certificates are trusted. All workers share it.
#[derive(Debug, Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    http: HttpVersion,
}

impl Tls {
    /// Trusts no certificate, and costs nothing to make: for runs over plain HTTP.
    pub fn nobody() -> Result<Self, Error> {
        Ok(Self::over(builder()?.0.with_root_certificates(RootCertStore::empty()).with_no_client_auth()))
    }

    /// Trusts the certificate authorities of this machine, or those in `SSL_CERT_FILE`. Refuses when there are none.
    pub fn machine() -> Result<Self, Error> {
        let roots = machine_roots();
        if roots.is_empty() {
            return Err(Error::usage(
                "target",
                "https needs certificate authorities to trust, and this machine has none",
                "install its ca-certificates, or give the option ca-cert FILE",
            ));
        }
        Ok(Self::over(builder()?.0.with_root_certificates(roots).with_no_client_auth()))
    }

    /// Trusts the certificate authorities of this machine and the certificates in `pem`, which was read from `path`.
    /// Refuses a `pem` without a usable certificate.
    pub fn machine_and(pem: &[u8], path: &Path) -> Result<Self, Error> {
        let refuse = |why: String| {
            Error::input(path, format!("{why}; the option ca-cert takes certificates in PEM (BEGIN CERTIFICATE)"))
        };
        let mut roots = machine_roots();
        let mut given = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|why| refuse(format!("cannot be read as PEM: {why}")))?;
            roots
                .add(certificate.clone())
                .map_err(|why| refuse(format!("holds a certificate that cannot be trusted: {why}")))?;
            given.push(certificate);
        }
        if given.is_empty() {
            return Err(refuse("holds no certificate".to_owned()));
        }
        let (builder, provider) = builder()?;
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|why| refuse(format!("holds certificates that cannot be used: {why}")))?;
        let given = Arc::new(Given { inner, given });
        Ok(Self::over(builder.dangerous().with_custom_certificate_verifier(given).with_no_client_auth()))
    }

    /// Accepts any certificate from any server (`--insecure`).
    pub fn anyone() -> Result<Self, Error> {
        let (builder, provider) = builder()?;
        let anyone = Anyone { schemes: provider.signature_verification_algorithms.supported_schemes() };
        Ok(Self::over(builder.dangerous().with_custom_certificate_verifier(Arc::new(anyone)).with_no_client_auth()))
    }

    /// The same, and shows a server that asks for it the certificate chain in `chain`, whose private key is in `key`.
    /// Both are PEM, read from these paths.
    pub fn showing(self, (chain, chain_path): (&[u8], &Path), (key, key_path): (&[u8], &Path)) -> Result<Self, Error> {
        let of_chain = |why: String| {
            Error::input(chain_path, format!("{why}; the option client-cert takes a chain of certificates in PEM"))
        };
        let of_key = |why: String| {
            Error::input(key_path, format!("{why}; the option client-key takes the private key of client-cert in PEM"))
        };
        let certificates: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let certificates = certificates.map_err(|why| of_chain(format!("cannot be read as PEM: {why}")))?;
        if certificates.is_empty() {
            return Err(of_chain("holds no certificate".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|why| of_key(format!("holds no private key: {why}")))?;
        let provider = rustls::crypto::ring::default_provider();
        let certified = CertifiedKey::from_der(certificates, key, &provider)
            .map_err(|why| of_key(format!("does not belong to the certificate, or cannot be used: {why}")))?;
        let mut config = Arc::unwrap_or_clone(self.config);
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
        Ok(Self { config: Arc::new(config), http: self.http })
    }

    /// The same, and offers these versions of HTTP.
    #[must_use]
    pub fn speaking(self, http: HttpVersion) -> Self {
        let mut config = Arc::unwrap_or_clone(self.config);
        let offered: &[&[u8]] = match http {
            HttpVersion::Agreed => &[b"h2", b"http/1.1"],
            HttpVersion::One => &[b"http/1.1"],
            HttpVersion::Two => &[b"h2"],
        };
        config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        Self { config: Arc::new(config), http }
    }

    fn over(config: ClientConfig) -> Self {
        Self { config: Arc::new(config), http: HttpVersion::Agreed }.speaking(HttpVersion::Agreed)
    }

    /// The versions of HTTP that are offered.
    pub(super) fn http(&self) -> HttpVersion {
        self.http
    }

    pub(super) fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// The TLS settings for connections to `host`, a name or an address.
    pub(super) fn towards(&self, host: &str) -> Result<Secure, Error> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            Error::usage(
                "target",
                format!("`{host}` cannot stand in a certificate"),
                "accepted is a host name or an address",
            )
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
        .map_err(|why| Error::Internal(format!("cannot set up TLS: {why}")))?;
    Ok((builder, provider))
}

/// The certificate authorities of this machine. Certificates that cannot be read or parsed are left out, as in
/// browsers: one bad file must not disable all others.
fn machine_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Trusts the certificate authorities of `inner`, and a server that shows one of the `given` certificates, even if the
/// certificate is marked as an authority. `openssl req -x509` sets that mark, and by the rules an authority is not a
/// server. The name and the validity period of the certificate are still checked.
#[derive(Debug)]
struct Given {
    inner: Arc<WebPkiServerVerifier>,
    given: Vec<CertificateDer<'static>>,
}

impl ServerCertVerifier for Given {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match &verified {
            // rustls reports this error only after it has checked the validity period. It checks the signature on the
            // handshake separately.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(why)))
                if why.to_string().contains("CaUsedAsEndEntity")
                    && self.given.iter().any(|given| given == end_entity) =>
            {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            _ => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The TLS error in the chain of causes of `error`, at any depth.
pub(super) fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(this) = cause {
        if let Some(found) = this.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An I/O error does not return the error that it wraps as its source.
        let wrapped = this.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = wrapped.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| this.source());
    }
    None
}

/// Why the TLS handshake failed, and what to do.
pub(super) fn tls_words(error: &(dyn StdError + 'static)) -> String {
    use rustls::{AlertDescription, Error as Tls};
    let Some(tls) = tls_error(error) else {
        return match error.downcast_ref::<std::io::Error>().map(std::io::Error::kind) {
            Some(std::io::ErrorKind::UnexpectedEof) => {
                "the server ended the connection during the handshake; check that https:// and the port are right"
                    .to_owned()
            }
            _ => error.to_string(),
        };
    };
    let date = |time: UnixTime| {
        jiff::Timestamp::from_second(i64::try_from(time.as_secs()).unwrap_or(i64::MAX))
            .map_or_else(|_| String::new(), |date| date.strftime("%Y-%m-%d").to_string())
    };
    match tls {
        Tls::InvalidMessage(_) => format!(
            "what answers there does not speak TLS ({tls}); for a plain port write http:// in the option target"
        ),
        Tls::NoApplicationProtocol | Tls::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            "the server offers no version of HTTP that is asked for (ALPN); leave out the option http1 or the \
                option http2"
                .to_owned()
        }
        Tls::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure) => {
            format!(
                "the server refused the handshake ({tls}); it may ask for a client certificate, which tonnage does \
                not send"
            )
        }
        Tls::InvalidCertificate(why) => match why {
            CertificateError::Expired => {
                "the server's certificate has expired; renew it, or give the option insecure".to_owned()
            }
            CertificateError::ExpiredContext { not_after, .. } => {
                format!(
                    "the server's certificate expired on {}; renew it, or give the option insecure",
                    date(*not_after)
                )
            }
            CertificateError::NotValidYet => {
                "the server's certificate is not valid yet; check the clocks, or give the \
                 option insecure"
                    .to_owned()
            }
            CertificateError::NotValidYetContext { not_before, .. } => {
                format!(
                    "the server's certificate is valid from {} on; check the clocks, or give the option insecure",
                    date(*not_before)
                )
            }
            CertificateError::UnknownIssuer => {
                "the server's certificate comes from an authority that is not trusted here, or the server does not \
                 send the intermediate certificate; give the authority or the certificate itself with the option \
                 ca-cert, or give the option insecure"
                    .to_owned()
            }
            CertificateError::NotValidForNameContext { expected, presented } => {
                let names = if presented.is_empty() {
                    "no name (no \
                    subjectAltName)"
                        .to_owned()
                } else {
                    names_of(presented)
                };
                format!(
                    "the server's certificate is for {names}, not for {}; ask it by its name, or give the option \
                     insecure",
                    expected.to_str()
                )
            }
            CertificateError::NotValidForName => {
                "the server's certificate is for another name; ask it by its name, or give the option insecure"
                    .to_owned()
            }
            CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
                "the server shows a self-signed certificate; give that certificate with the option ca-cert, or give \
                 the option insecure"
                    .to_owned()
            }
            _ => format!("{tls}; give the option insecure to connect all the same"),
        },
        _ => tls.to_string(),
    }
}

/// The names in a certificate; rustls gives each as `DnsName("localhost")`.
fn names_of(presented: &[String]) -> String {
    let name = |text: &String| match text.split_once('(') {
        Some((_, inside)) => inside.trim_end_matches(')').trim_matches('"').to_owned(),
        None => text.clone(),
    };
    visible(&presented.iter().map(name).collect::<Vec<_>>().join(", ")).into_owned()
}

/// Accepts every certificate.
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
