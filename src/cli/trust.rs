//! Owns the choice of the certificates to trust.

use crate::cli::options::TargetOptions;
use crate::client::{Target, Tls};
use crate::error::Error;
use crate::results::{Limit, read_bytes};
use crate::service::Whom;

/// The certificates that the options trust. Options about certificates are refused if no target uses TLS.
pub(super) fn trust_of(options: &TargetOptions, whom: &Whom) -> Result<Tls, Error> {
    let secure = matches!(whom, Whom::Given(targets) if targets.iter().any(Target::is_secure));
    let flag = if options.insecure { Some("--insecure") } else { options.ca_cert.as_ref().map(|_| "--ca-cert") };
    match (flag, &options.ca_cert) {
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
        (Some(_), None) => Tls::anyone(),
        (None, None) if secure => Tls::machine(),
        (None, None) => Tls::nobody(),
    }
}
