//! Owns the choice of the certificates to trust, and of the versions of HTTP to offer.

use std::path::Path;

use crate::cli::options::TargetOptions;
use crate::client::{HttpVersion, Target, Tls};
use crate::error::Error;
use crate::results::{Limit, read_bytes};
use crate::service::Whom;

/// The certificates that the options trust, and the versions of HTTP that they offer. Options about certificates are
/// refused if no target uses TLS.
pub(super) fn trust_of(options: &TargetOptions, whom: &Whom) -> Result<Tls, Error> {
    let secure = matches!(whom, Whom::Given(targets) if targets.iter().any(Target::is_secure));
    let flag = if options.insecure { Some("--insecure") } else { options.ca_cert.as_ref().map(|_| "--ca-cert") };
    let identity = match (&options.client_cert, &options.client_key) {
        (None, None) => None,
        (Some(chain), Some(key)) => Some((chain, key)),
        (Some(_), None) => return Err(Error::usage("--client-cert", "needs its private key", "add --client-key FILE")),
        (None, Some(_)) => return Err(Error::usage("--client-key", "needs its certificate", "add --client-cert FILE")),
    };
    let flag = flag.or(identity.map(|_| "--client-cert"));
    if options.http1 && options.http2 {
        let why = "asks for HTTP/2 alone, and --http1 for HTTP/1.1 alone";
        return Err(Error::usage("--http2", why, "drop one of them"));
    }
    let trusted = match (flag, &options.ca_cert) {
        (Some(flag), _) if !secure => Err(Error::usage(
            flag,
            "has nothing to do: no target is asked over TLS",
            "drop it, or give an https:// target",
        )),
        (Some(_), Some(_)) if options.insecure => {
            Err(Error::usage("--insecure", "trusts anyone, and --ca-cert someone", "drop one of them"))
        }
        (_, Some(path)) => {
            let pem = read_bytes(path, Limit::CERTIFICATES, "check --ca-cert")?;
            Tls::machine_and(&pem, path)
        }
        (Some(_), None) if options.insecure => Tls::anyone(),
        (_, None) if secure => Tls::machine(),
        (_, None) => Tls::nobody(),
    }?
    .speaking(match (options.http1, options.http2) {
        (true, _) => HttpVersion::One,
        (false, true) => HttpVersion::Two,
        (false, false) => HttpVersion::Agreed,
    });
    let Some((chain, key)) = identity else { return Ok(trusted) };
    let read = |path: &Path, flag: &str| read_bytes(path, Limit::CERTIFICATES, &format!("check {flag}"));
    trusted.showing((&read(chain, "--client-cert")?, chain), (&read(key, "--client-key")?, key))
}
