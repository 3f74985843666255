//! Owns closed forms of queues: the values that a measurement of the simulated server must reproduce.

/// P(sojourn > t) of M/M/1: e^(−(μ−λ)t). Rates per second, t in seconds.
pub(crate) fn mm1_sojourn_tail(arrival: f64, service: f64, t_s: f64) -> f64 {
    (-(service - arrival) * t_s).exp()
}

/// P(an arrival waits) of M/M/c (Erlang C), by the recursion of Erlang B.
pub(crate) fn erlang_c(servers: u32, arrival: f64, service: f64) -> f64 {
    let offered = arrival / service;
    let blocked = (1..=servers).fold(1.0, |blocked, k| offered * blocked / (f64::from(k) + offered * blocked));
    let busy = offered / f64::from(servers);
    blocked / (1.0 - busy * (1.0 - blocked))
}

/// P(sojourn > t) of M/M/c: (1−C)e^(−μt) + C(θe^(−μt) − μe^(−θt))/(θ−μ), θ = cμ − λ ≠ μ.
pub(crate) fn mmc_sojourn_tail(servers: u32, arrival: f64, service: f64, t_s: f64) -> f64 {
    if servers == 1 {
        return mm1_sojourn_tail(arrival, service, t_s);
    }
    let waits = erlang_c(servers, arrival, service);
    let theta = f64::from(servers) * service - arrival;
    let own = (-service * t_s).exp();
    (1.0 - waits) * own + waits * (theta * own - service * (-theta * t_s).exp()) / (theta - service)
}

/// The M/D/c queue with service time D, solved numerically.
pub(crate) struct MdC {
    servers: usize,
    arrival: f64,
    service_s: f64,
    /// Q(m): P(at most m requests wait).
    waiting: Vec<f64>,
}

impl MdC {
    /// Solves p = law of max(N − c, 0) + Poisson(λD) on 0 to 999 (Crommelin 1932: every request now in service has
    /// left after time D).
    pub(crate) fn new(servers: usize, arrival: f64, service_s: f64) -> Self {
        let states = 1_000;
        let mean = arrival * service_s;
        assert!(mean < servers as f64 * 0.97, "truncated at {states} states");
        let mut poisson = vec![(-mean).exp()];
        while poisson.len() < 20 || *poisson.last().unwrap() > 1e-18 {
            poisson.push(poisson.last().unwrap() * mean / poisson.len() as f64);
        }
        let mut law = vec![0.0; states];
        law[0] = 1.0;
        loop {
            let mut next = vec![0.0; states];
            for (n, p) in law.iter().enumerate() {
                for (arrivals, q) in poisson.iter().enumerate() {
                    next[(n.saturating_sub(servers) + arrivals).min(states - 1)] += p * q;
                }
            }
            let moved: f64 = law.iter().zip(&next).map(|(a, b)| (a - b).abs()).sum();
            law = next;
            if moved < 1e-13 {
                break;
            }
        }
        let mut total: f64 = law[..servers].iter().sum();
        let waiting = law[servers..].iter().map(|p| {
            total += p;
            total
        });
        let waiting = waiting.collect();
        Self { servers, arrival, service_s, waiting }
    }

    /// P(wait ≤ t) by Franx (2001): e^(−λ(kD−t)) Σ over j < kc of Q(kc−1−j) (λ(kD−t))^j / j!, (k−1)D ≤ t < kD.
    /// Accurate while kc is at most a few hundred.
    pub(crate) fn wait_at_most(&self, t_s: f64) -> f64 {
        let k = (t_s / self.service_s).floor() as usize + 1;
        let x = self.arrival * (k as f64 * self.service_s - t_s);
        let mut term = (-x).exp();
        (0..k * self.servers).fold(0.0, |sum, j| {
            let sum = sum + self.waiting[k * self.servers - 1 - j] * term;
            term *= x / (j + 1) as f64;
            sum
        })
    }

    /// P(sojourn > t): the sojourn time is the wait plus D.
    pub(crate) fn sojourn_tail(&self, t_s: f64) -> f64 {
        if t_s < self.service_s { 1.0 } else { 1.0 - self.wait_at_most(t_s - self.service_s) }
    }
}

/// The t at which a decreasing tail equals 1 − `quantile`, between 0 and `most_s`.
pub(crate) fn quantile_s(tail: impl Fn(f64) -> f64, quantile: f64, most_s: f64) -> f64 {
    let (mut low, mut high) = (0.0, most_s);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if tail(middle) > 1.0 - quantile { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

fn close(seen: f64, known: f64, within: f64) {
    assert!((seen - known).abs() <= within, "{seen} is not {known} ± {within}");
}

#[test]
fn one_exponential_server_has_the_known_p99() {
    for load in [0.5, 0.8, 0.95] {
        close(quantile_s(|t| mm1_sojourn_tail(load, 1.0, t), 0.99, 1e3), 4.605_170_186 / (1.0 - load), 1e-6);
        close(mmc_sojourn_tail(1, load, 1.0, 3.0), mm1_sojourn_tail(load, 1.0, 3.0), 0.0);
    }
}

#[test]
fn four_exponential_servers_have_the_known_tail() {
    close(mmc_sojourn_tail(4, 3.2, 1.0, 6.0), 0.0196, 0.000_05);
    close(erlang_c(4, 3.2, 1.0), 0.596_4, 0.000_05);
}

#[test]
fn one_constant_server_has_the_known_tail() {
    close(MdC::new(1, 0.8, 1.0).sojourn_tail(10.0), 0.017_9, 0.000_1);
    // P(W = 0) = 1 − ρ, and P(W ≤ t) = (1 − ρ)e^(λt) below D.
    let queue = MdC::new(1, 0.5, 1.0);
    close(queue.wait_at_most(0.0), 0.5, 1e-10);
    close(queue.wait_at_most(0.9), 0.5 * f64::exp(0.45), 1e-10);
}

#[test]
fn constant_servers_without_load_never_wait_and_with_load_wait_less_than_exponential_ones() {
    close(MdC::new(2, 0.01, 1.0).wait_at_most(0.0), 1.0, 1e-4);
    let (constant, exponential) = (MdC::new(4, 3.2, 1.0), |t| mmc_sojourn_tail(4, 3.2, 1.0, t));
    for t_s in [3.0, 6.0, 10.0] {
        assert!(constant.sojourn_tail(t_s) < exponential(t_s));
    }
}
