//! Owns the step from the classes of a mix to their requests: which endpoint each goes to, and with which options.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::cli::endpoint::{add_named_fields, texts_of};
use crate::cli::endpoints::{Endpoints, class_endpoint};
use crate::cli::mix::classes_without_batch;
use crate::cli::options::{OutputField, TargetOptions, WireOptions};
use crate::client::{ClassRequests, Endpoint, EndpointOptions, LengthField, RequestOptions};
use crate::error::{Error, Refusal};
use crate::workload::{ClassEndpoint, Mix, Plan};

/// `plan` with the endpoint of each class, if one of them names its own. `mix` is the text of `--mix`.
pub(super) fn going_to_endpoints(
    plan: Plan,
    target: &TargetOptions,
    wire: &WireOptions,
    mix: Option<&str>,
) -> Result<Plan, Error> {
    let classes = plan.workload().source.mix().map_or(&[][..], Mix::classes);
    if classes.iter().all(|class| class.endpoint.is_none()) {
        return Ok(plan);
    }
    let unsaid = mix.map(classes_without_batch).transpose()?.unwrap_or_default();
    let mut refused = None;
    let plan = plan.with_each_class(|class| {
        let named = class.endpoint.as_ref().and_then(|endpoint| endpoint.name.clone());
        let endpoint = named.as_deref().map_or(Ok(target.endpoint), str::parse::<Endpoint>);
        match endpoint {
            Ok(endpoint) => {
                let own = class.endpoint.as_ref().filter(|_| !unsaid.contains(&*class.name)).map(|own| own.texts);
                let texts = own.unwrap_or_else(|| texts_of(endpoint, wire));
                class.endpoint = Some(ClassEndpoint { texts, ..class_endpoint(endpoint, named, None) });
            }
            Err(refusal) => refused = Some(refusal),
        }
    });
    refused.map_or(Ok(plan), |refusal: Refusal| Err(refusal.at("--mix")))
}

/// The options of requests to `endpoint`, beside the fields `extra` that the user adds. Where requests go to several
/// endpoints, options that this one does not know are left out: another one knows them.
pub(super) fn options_of_endpoint(
    endpoint: Endpoint,
    endpoints: &Endpoints,
    wire: &WireOptions,
    extra: &Map<String, Value>,
) -> Result<EndpointOptions, Error> {
    let can = endpoint.capabilities();
    let is_sent = |option: bool| option && (can.engine_options || !endpoints.are_several());
    let field = wire.output_field.map(|field| match field {
        OutputField::MaxCompletionTokens => LengthField::MaxCompletionTokens,
        OutputField::MaxTokens => LengthField::MaxTokens,
    });
    let is_known = !endpoints.are_several() || endpoint.dialect().length_key(field).is_ok();
    let mut extra_body = extra.clone();
    add_named_fields(&mut extra_body, endpoint, endpoints.are_several(), wire)?;
    Ok(EndpointOptions {
        endpoint,
        extra_body,
        length_field: field.filter(|_| is_known),
        ignore_eos: is_sent(wire.ignore_eos),
        min_tokens: is_sent(wire.min_tokens),
        continuous_usage: is_sent(wire.continuous_usage),
    })
}

/// What the classes of `plan` say for themselves of their requests. `usual` are the options of the load.
pub(super) fn requests_of_classes(
    plan: &Plan,
    endpoints: &Endpoints,
    usual: &RequestOptions,
    extra: &Map<String, Value>,
    wire: &WireOptions,
) -> Result<BTreeMap<Arc<str>, ClassRequests>, Error> {
    let mut all = BTreeMap::new();
    for class in plan.workload().source.mix().map_or(&[][..], Mix::classes) {
        let is_own = class.endpoint.as_ref().is_some_and(|endpoint| endpoint.name.is_some());
        let endpoint = endpoints.of_class(&class.name);
        let form = is_own.then(|| options_of_endpoint(endpoint, endpoints, wire, extra)).transpose()?;
        let model = class.model.as_deref().map(str::to_owned);
        if is_own
            && usual.renewed_key.is_some()
            && usual.key_header.is_none()
            && usual.key_header() != endpoint.key_header()
        {
            let why = format!(
                "sends the key in {}, and the endpoint {endpoint} of the class {} takes it in {}",
                usual.key_header(),
                class.name,
                endpoint.key_header()
            );
            return Err(Error::usage("--api-key-command", why, "name one header for all with --auth-header"));
        }
        if model.is_some() || form.is_some() {
            all.insert(Arc::clone(&class.name), ClassRequests { model, form });
        }
    }
    Ok(all)
}
