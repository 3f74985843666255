//! Owns what the endpoint decides about a run: which options it takes, which objectives exist, what a request holds.

use serde_json::{Map, Value, json};

use crate::cli::config::Parsed;
use crate::cli::endpoints::Endpoints;
use crate::cli::options::{TargetOptions, WireOptions};
use crate::client::{Encoder, Endpoint, RawEndpoint, RequestOptions, Target};
use crate::error::{Error, Refusal};
use crate::results::{Limit, read_text};
use crate::units::yaml_words;
use crate::workload::Images;

/// Refuses the options that no endpoint of the load knows.
pub(super) fn refuse_unknown(
    endpoints: &Endpoints,
    target: &TargetOptions,
    wire: &WireOptions,
    parsed: &mut Parsed,
) -> Result<(), Error> {
    if endpoints.classes().is_empty() {
        refuse_another_endpoint(target, parsed)?;
    }
    if wire.image_size.is_some() && wire.images.is_none() {
        let why = "is the size of images, and --images asks for none";
        return Err(Error::usage("--image-size", why, "add --images 1, or drop it"));
    }
    let refusals: Vec<Vec<Unknown>> =
        endpoints.all().into_iter().map(|endpoint| unknown_to(endpoint, target, wire, parsed)).collect();
    let is_refused = |flag: &str, of_one: &Vec<Unknown>| of_one.iter().any(|unknown| unknown.flag == flag);
    for unknown in refusals.iter().flatten() {
        // Each request has images, so that every endpoint must take them.
        if unknown.flag == "--images" || refusals.iter().all(|of_one| is_refused(unknown.flag, of_one)) {
            let why = if endpoints.are_several() && unknown.flag != "--images" {
                format!("none of the endpoints {} knows it", endpoints.names())
            } else {
                format!("the endpoint {} {}", unknown.endpoint, unknown.why)
            };
            return Err(Error::usage(unknown.flag, why, unknown.instead.clone()));
        }
    }
    if wire.choices.is_some() && endpoints.are_several() {
        let why = "asks for several answers, and the classes of --mix go to several endpoints";
        return Err(Error::usage("--choices", why, "drop it, or leave endpoint out of the classes"));
    }
    if !endpoints.any(|endpoint| endpoint.capabilities().output_tokens) {
        parsed.spec.output_tokens = None;
    }
    Ok(())
}

/// An option that an endpoint does not know.
struct Unknown {
    flag: &'static str,
    endpoint: Endpoint,
    why: &'static str,
    instead: String,
}

/// The given options that `endpoint` does not know.
fn unknown_to(endpoint: Endpoint, target: &TargetOptions, wire: &WireOptions, parsed: &Parsed) -> Vec<Unknown> {
    let can = endpoint.capabilities();
    let mut unknown = Vec::new();
    let mut refuse = |options: &[(&'static str, bool)], why: &'static str, instead: &str| {
        let given = options.iter().filter(|(_, given)| *given);
        unknown.extend(given.map(|(flag, _)| Unknown { flag, endpoint, why, instead: instead.to_owned() }));
    };
    let others = |test: fn(Endpoint) -> bool| {
        let names: Vec<&str> = Endpoint::ALL.iter().filter(|other| test(**other)).map(|other| other.name()).collect();
        format!("drop it, or use {}", names.join(", "))
    };
    let sampling = [
        ("--temperature", wire.temperature.is_some()),
        ("--top-p", wire.top_p.is_some()),
        ("--stop", !wire.stop.is_empty()),
    ];
    let takes_batches = |endpoint: Endpoint| endpoint.texts(1).is_some();
    if !takes_batches(endpoint) {
        refuse(&[("--batch-size", wire.batch_size.is_some())], "takes one prompt a request", &others(takes_batches));
    }
    if !endpoint.takes_images() {
        refuse(&[("--images", wire.images.is_some())], "takes text alone", &others(Endpoint::takes_images));
    }
    if endpoint.has_template() {
        let of_fields = [("--extra-body", target.extra_body.is_some()), ("--omit", !wire.omit.is_empty())];
        let instead = "drop it, and write the field into the body of --raw";
        refuse(&of_fields, "has a body of your own", instead);
        refuse(&sampling, "has a body of your own", instead);
    }
    if !can.output_tokens {
        let of_output = [
            ("--output-tokens", parsed.given.contains("output-tokens")),
            ("--output-field", wire.output_field.is_some()),
        ];
        refuse(&of_output, "writes no tokens", "drop it");
        refuse(&sampling, "writes no tokens", "drop it");
    }
    if !can.engine_options {
        let of_engines = [
            ("--ignore-eos", wire.ignore_eos),
            ("--min-tokens", wire.min_tokens),
            ("--continuous-usage", wire.continuous_usage),
        ];
        let instead = "drop it; --extra-body adds a field that this server knows all the same";
        refuse(&of_engines, "has no such field", instead);
    }
    unknown
}

/// The endpoint of the options; for `raw`, the one that its file describes.
pub(super) fn endpoint_of(target: &TargetOptions) -> Result<Endpoint, Error> {
    let Some(path) = &target.raw else { return Ok(target.endpoint) };
    if !target.endpoint.has_template() {
        let why = format!("describes the endpoint raw, and the endpoint is {}", target.endpoint);
        return Err(Error::usage("--raw", why, "add --endpoint raw, or drop it"));
    }
    let text = read_text(path, Limit::CONFIG, "check --raw")?;
    let raw: RawEndpoint = serde_saphyr::from_str(&text).map_err(|why| Error::Input {
        path: path.clone(),
        line: why.location().map(|location| location.line()),
        why: format!("{}; `tonnage help endpoints` shows such a file", yaml_words(&why)),
    })?;
    Ok(Endpoint::raw(raw.checked().map_err(|refusal| Error::input(path, refusal.to_string()))?))
}

/// Refuses a target that is the URL of another endpoint than the default one, if no endpoint was named.
fn refuse_another_endpoint(target: &TargetOptions, parsed: &Parsed) -> Result<(), Error> {
    if parsed.given.contains("endpoint") || target.endpoint.has_template() {
        return Ok(());
    }
    for url in &target.target {
        let path = url.split(['?', '#']).next().unwrap_or(url).trim_end_matches('/');
        let is_of = |endpoint: &&Endpoint| !endpoint.has_template() && path.ends_with(&endpoint.full_path());
        if let Some(named) = Endpoint::ALL.iter().filter(is_of).find(|endpoint| **endpoint != target.endpoint) {
            let why = format!("`{url}` is the URL of the endpoint {named}, and {} is asked", target.endpoint);
            return Err(Error::usage("--target", why, format!("add --endpoint {named}")));
        }
    }
    Ok(())
}

/// Whether answers are streamed.
pub(super) fn is_streamed(target: &TargetOptions) -> bool {
    !target.no_stream && target.endpoint.capabilities().streams
}

/// The texts of one request to `endpoint`.
pub(super) fn texts_of(endpoint: Endpoint, wire: &WireOptions) -> u32 {
    endpoint.texts(wire.batch_size.unwrap_or(1)).unwrap_or(1)
}

/// The images of each request.
pub(super) fn images_of(wire: &WireOptions) -> Result<Option<Images>, Error> {
    let usual = || "512x512".parse().map_err(|refusal: Refusal| refusal.at("--image-size"));
    wire.images.map(|count| Ok(Images { count, size: wire.image_size.map_or_else(usual, Ok)? })).transpose()
}

/// Adds the fields that options name to the fields that the user adds, for a request to `endpoint`. `null` leaves a
/// field out. If the endpoint is `one_of_several`, fields that it does not know are left out.
pub(super) fn add_named_fields(
    fields: &mut Map<String, Value>,
    endpoint: Endpoint,
    one_of_several: bool,
    wire: &WireOptions,
) -> Result<(), Error> {
    let mut named = Vec::new();
    let samples = !one_of_several || (endpoint.capabilities().output_tokens && !endpoint.has_template());
    if let Some(temperature) = wire.temperature.filter(|_| samples) {
        named.push(("--temperature", "temperature", json!(temperature)));
    }
    if let Some(top_p) = wire.top_p.filter(|_| samples) {
        named.push(("--top-p", "top_p", json!(top_p)));
    }
    if let Some(choices) = wire.choices {
        let key = endpoint.choices_key().ok_or_else(|| {
            Error::usage("--choices", format!("the endpoint {endpoint} gives one answer to a request"), "drop it")
        })?;
        named.push(("--choices", key, json!(choices)));
    }
    if !wire.stop.is_empty() && samples && (endpoint.stop_key().is_some() || !one_of_several) {
        let key = endpoint.stop_key().ok_or_else(|| {
            Error::usage("--stop", format!("the endpoint {endpoint} has no field for stop texts"), "drop it")
        })?;
        named.push(("--stop", key, json!(wire.stop)));
    }
    for (flag, key, value) in named {
        let place = match endpoint.sampling_parent() {
            None => &mut *fields,
            Some(parent) => match fields.entry(parent).or_insert_with(|| json!({})) {
                Value::Object(inner) => inner,
                _ => return Err(Error::usage(flag, format!("--extra-body sets `{parent}`"), "drop one of them")),
            },
        };
        if place.insert(key.to_owned(), value).is_some() {
            return Err(Error::usage(flag, format!("--extra-body sets `{key}`, too"), "drop one of them"));
        }
    }
    for key in &wire.omit {
        if fields.insert(key.clone(), Value::Null).is_some_and(|value| !value.is_null()) {
            let why = format!("`{key}` is set by another option or by --extra-body");
            return Err(Error::usage("--omit", why, "drop one of them"));
        }
    }
    Ok(())
}

/// Refuses options from which no request can be made, before anything is sent or written.
pub(super) fn refuse_unsendable(requests: &RequestOptions) -> Result<(), Error> {
    let mut requests = requests.clone();
    // Targets and models are not known yet, and any will do.
    requests.targets = vec![Target::parse("http://127.0.0.1")?];
    requests.models = vec![String::new()];
    Encoder::new(&requests).map(drop)
}

/// The header of `--auth-header`.
pub(super) fn key_header_of(target: &TargetOptions) -> Result<Option<String>, Error> {
    let Some(name) = target.auth_header.as_deref().map(str::trim) else { return Ok(None) };
    let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if !named {
        let accepted = "accepted is authorization (a bearer token), api-key, x-api-key or another name";
        return Err(Error::usage("--auth-header", format!("`{name}` is not the name of a header"), accepted));
    }
    Ok(Some(name.to_owned()))
}
