//! Owns the smoke test of calibration: real time, loose bounds.

use std::time::Duration;

use tonnage::calibrate::{Settings, calibrate};

#[tokio::test(flavor = "local")]
async fn every_request_is_matched_with_the_servers_truth() {
    let length = Duration::from_millis(200);
    let settings = Settings {
        workers: 1,
        steps: vec![(50.0, length), (100.0, length)],
        most_rate_per_s: None,
        search_step: length,
    };
    let mut told = Vec::new();
    let found = calibrate(&settings, |stage| told.push(stage.to_owned())).await.unwrap();
    assert_eq!(told.len(), 3, "{told:?}");
    for step in &found.steps {
        assert_eq!(step.planned, step.completed, "{step:?}");
        let (lag, added, itl) = (step.send_lag_s.unwrap(), step.added_ttft_s.unwrap(), step.itl_error_s.unwrap());
        for spread in [lag, added, itl] {
            assert!(spread.p50 <= spread.p99 && spread.p99 < 2.0, "{step:?}");
        }
        assert!(added.p50 > 0.0, "the client must see a token after the server wrote it: {step:?}");
    }
    assert!(found.search.is_empty() && found.closed_loop_per_s > 0.0 && !found.advice.is_empty(), "{found:?}");
}
