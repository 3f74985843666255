//! Owns the step from the options to the objectives of a load, with refusals of what its endpoints do not measure.

use crate::cli::endpoints::Endpoints;
use crate::cli::options::JudgementOptions;
use crate::client::Endpoint;
use crate::error::Error;
use crate::metrics::{Metric, Objective, Objectives};

/// Reads the objectives. An error names the option at fault.
pub(super) fn objectives_of(
    judgement: &JudgementOptions,
    endpoints: &Endpoints,
    no_stream: bool,
) -> Result<Objectives, Error> {
    Objectives::parse(&judgement.slo, None, None).map_err(|refusal| refusal.at("--slo"))?;
    let goodput = judgement.goodput.as_deref();
    let objectives =
        Objectives::parse(&judgement.slo, goodput, judgement.attainment).map_err(|refusal| refusal.at("--goodput"))?;
    let asked = objectives.items().iter().any(|item| matches!(item, Objective::Attainment(_)));
    if judgement.attainment.is_some() && !asked {
        let why = "has nothing to attain: no objective speaks of single requests";
        return Err(Error::usage("--attainment", why, "add one, as in --slo 'ttft<=200ms'"));
    }
    refuse_undefined(&objectives, endpoints)?;
    objectives.check_mode(!no_stream).map_err(|mut refusal| {
        refusal.accepted.push_str(" (drop --no-stream)");
        refusal.at("--slo")
    })?;
    Ok(objectives)
}

/// Refuses an objective on a metric that an endpoint does not define: the endpoint of its class, or of any class if it
/// names none. Names the metrics that the endpoint defines.
fn refuse_undefined(objectives: &Objectives, endpoints: &Endpoints) -> Result<(), Error> {
    for place in 0..objectives.items().len() {
        let Some(metric) = objectives.metric_of(place) else { continue };
        let class = objectives.class_of(place);
        let asked = match class {
            Some(class) => vec![endpoints.of_class(class)],
            None => endpoints.all(),
        };
        let defines = |endpoint: Endpoint, metric: Metric| {
            let can = endpoint.capabilities();
            metric.is_defined(can.streams, can.output_tokens)
        };
        let Some(endpoint) = asked.into_iter().find(|endpoint| !defines(*endpoint, metric)) else { continue };
        let objective = objectives.text(place);
        let metrics: Vec<&str> = Metric::ALL
            .into_iter()
            .filter(|metric| metric.is_objective() && defines(endpoint, *metric))
            .map(Metric::key)
            .collect();
        let why = format!("`{objective}`: the endpoint {endpoint} has no {metric}");
        let named = if class.is_none() && endpoints.are_several() {
            format!("name the class, as in 'chat: {objective}', or ")
        } else {
            "accepted is ".to_owned()
        };
        let metrics = metrics.join(", ");
        return Err(Error::usage("--slo", why, format!("{named}{metrics}, error_rate, goodput, attainment")));
    }
    Ok(())
}
