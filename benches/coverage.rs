//! Owns the measurement of the search's coverage: searches over services of known truth, with the driver that also
//! searches over live services.
//!
//! # How to run
//!
//! `cargo bench --bench coverage [-- [NAME…] [--repeats N] [--from SEED] [--threads N] [--each | --probes]]` runs
//! N searches of each cell at ±10 % (200 by default), the first with SEED (1 by default), two at a time by default.
//! A NAME is a cell, in quotes, or a group; without a NAME the groups `queues engines audit means` run. `--each`
//! prints every answer, `--probes` every probe too. A search takes 0.1 to 0.5 s of a core; a cell of 200 searches
//! takes half a minute to a minute on two cores.
//!
//! | group | cells | truths |
//! |---|---|---|
//! | `queues` | ten queues, `common/queue.rs` | closed forms |
//! | `engines` | four simulated engines, p99 TTFT and p99 TPOT together, `common/served.rs` | runs of 11·10⁶ requests straight on the engine |
//! | `audit` | the nineteen cells of an audit: heavy tails, many servers, slow and failing requests, collapse, warm-up, a limiter, `common/audit.rs` | closed forms, or loops of 10⁸ requests that share no code with the simulator (`common/long.rs`) |
//! | `means` | ten queues held to a mean, `common/means.rs` | closed forms |
//! | `mixes` | two mixes of classes with objectives of their own, `common/mixes.rs` | closed forms |
//! | `sessions` | three queues whose arrivals begin sessions, `common/sessions.rs` | closed forms |
//! | `held` | twenty-one services different in kind, `common/held.rs` | the same |
//!
//! `held` runs only by name. It is run once, at the end of a change to the search; no constant is ever tuned on it.
//! Cells with a star are held back from tuning too, but their results have been looked at.
//!
//! Other modes: `truths [NAME…]` computes the truths without a closed form again (minutes per cell). `bisection` adds
//! plain bisection over queues and engines to the table. `at-truth [NAME…]` runs a long load at R* against the
//! service of each cell, without a search, and prints the share of misses beside the allowed share. `drift` runs
//! searches over services that become slower during the search.
//!
//! # Columns
//!
//! Each cell shows R* and its share of the capacity. Of the searches that end with an interval: how many cover R*,
//! how many have a safe lower end (no higher than R*), bias and root mean square error of the best estimate, and
//! median width. Then median requests, all requests ÷ the predicted number, mean probes, searches without an
//! interval, and the shares of doubted and of found answers. After the bar, for answers *found without a doubt*:
//! their number, how many of them cover, how many are safe, and the share of all searches that are found without a
//! doubt and do not cover. The last lines pool the cells used for tuning, all other cells, and all cells.
//!
//! # Measured
//!
//! All at ±10 %. Queues use seeds 301 to 340 (the current step), engines seeds 1 to 6 and 301 to 306, means seeds 301
//! to 320. The cells of the audit use seeds 1 to 8: few, because heavy tails take millions of requests per search.
//! Constants of the step were tuned on fast FIFO queues of another simulator (M/M/1, M/D/1, M/M/8, gamma/M/1, LN(3),
//! Pareto 2.5 and 1.5, H2(5), M/M/16 and 64 with other limits, floors), and the margin of φ on the seeds 1 to 30 of
//! the queues here. *Sure* means found without a doubt. *Before* is the step that this one replaced, on the same
//! cells (seeds 1 to 30), as sure / covers of these / wrong and sure of all.
//!
//! | cell | R*/C | covers | safe | bias | RMSE | median width | requests (÷ price) | sure: covers | doubted | before |
//! |---|---|---|---|---|---|---|---|---|---|---|
//! | M/M/1 T=15 | 0.69 | 97.5 % | 97.5 % | +1.3 % | 3.7 % | 19.2 % | 33 700 (1.26) | 98 % of 40 | 0 % | |
//! | M/M/1 T=46 | 0.90 | 100.0 % | 100.0 % | −0.5 % | 1.6 % | 10.6 % | 133 500 (1.14) | 100 % of 40 | 0 % | |
//! | M/D/1 T=8 | 0.72 | 100.0 % | 100.0 % | +0.8 % | 2.4 % | 19.3 % | 21 500 (0.77) | 100 % of 40 | 0 % | |
//! | M/M/8 T=7.5 | 0.91 | 100.0 % | 100.0 % | −0.8 % | 2.3 % | 16.1 % | 56 800 (0.60) | 100 % of 38 | 5 % | |
//! | M/M/1-PS T=30 | 0.76 | 100.0 % | 100.0 % | +0.4 % | 1.9 % | 13.3 % | 34 000 (1.80) | 100 % of 35 | 12 % | |
//! | D/M/1 T=20 * | 0.88 | 100.0 % | 100.0 % | −0.3 % | 1.8 % | 12.5 % | 45 000 (1.00) | 100 % of 40 | 0 % | |
//! | gamma CV 2/M/1 T=20 * | 0.50 | 100.0 % | 100.0 % | +0.7 % | 2.0 % | 19.7 % | 124 800 (1.82) | 100 % of 40 | 0 % | |
//! | M/M/4 T=7.5 * | 0.82 | 95.0 % | 95.0 % | +0.5 % | 3.1 % | 18.3 % | 24 500 (0.87) | 95 % of 39 | 2 % | |
//! | M/M/1 p95 T=10 * | 0.70 | 97.5 % | 97.5 % | +1.1 % | 3.3 % | 19.4 % | 17 300 (1.18) | 98 % of 40 | 0 % | |
//! | M/M/1 p99 T=15 and p90 T=9 * | 0.69 | 97.5 % | 97.5 % | +1.8 % | 3.7 % | 19.3 % | 28 100 (1.08) | 98 % of 40 | 0 % | |
//! | queues pooled |  | 98.8 % | 98.8 % | +0.5 % | 2.7 % | 18.6 % | 36 700 (1.08) | 99 % of 392 | 2 % | |
//! | engines pooled (four), seeds 1 to 6 and 301 to 306 | | 97.9 % | 97.9 % | −0.6 % | 2.4 % | 18.3 % | 47 000 (1.5) | 98 % of 47 | 2 % | |
//! | means pooled (ten, seeds 301 to 320) * | | 97.0 % | 99.0 % | +0.0 % | 2.6 % | 18.8 % | 30 700 (2.7) | 97 % of 193 | 4 % | |
//! | mean M/M/1 T=2, 4, 12 * | 0.50, 0.75, 0.92 | 100, 100, 85 % | 100 % | +1.0, −0.2, −3.1 % | 2.1, 1.9, 4.1 % | 19.7, 17.3, 18.8 % | 35 800, 17 300, 9 400 | 95 % of 60 | 0 | |
//! | mean M/LN(3)/1, M/H2(5)/1 * | 0.71, 0.70 | 100 % | 100 % | +0.8, −0.8 % | 1.9, 2.0 % | 18.2, 19.5 % | 74 200, 47 300 | 100 % of 40 | 0 | |
//! | mean M/Pareto 2.5/1 * | 0.77 | 90 % | 90 % | +2.3 % | 3.1 % | 18.8 % | 34 800 (4.4) | 89 % of 19 | 5 % | |
//! | mean M/M/4, M/M/8 * | 0.83, 0.85 | 100, 95 % | 100 % | +0.8, −1.1 % | 2.7, 3.3 % | 18.1, 18.9 % | 37 900, 74 700 (5) | 100 % of 34 | 15 % | |
//! | M/LN(3)/1 p99 * | 0.59 | 100 % | 100 % | −1.3 % | 3.7 % | 19.7 % | 625 800 (17) | 8 of 8 | 0 | covers 53 % |
//! | M/LN(3)/1 p99.9 * | 0.71 | 88 % | 88 % | +1.0 % | 3.7 % | 17.0 % | 3 258 000 (45) | 6 of 6 | 25 % | covers 50 % |
//! | M/Pareto 2.5/1 * | 0.82 | 88 % | 88 % | +0.1 % | 2.5 % | 10.2 % | 774 500 (52) | 4 of 4 | 50 % | covers 90 % |
//! | M/H2(5)/2 * | 0.61 | 100 % | 100 % | −0.5 % | 1.9 % | 19.9 % | 294 800 (11) | 8 of 8 | 0 | covers 77 % |
//! | even/LN(3)/1 * | 0.58 | 100 % | 100 % | −0.7 % | 4.3 % | 19.7 % | 558 300 (31) | 8 of 8 | 0 | covers 40 % |
//! | M/Pareto 1.5 cut/1 * | 0.61 | 100 % | 100 % | +1.4 % | 3.3 % | 19.8 % | 2 988 000 (87) | 5 of 5 | 38 % | covers 20 % |
//! | M/Pareto 1.5 cut/8 * | 0.91 | 100 % | 100 % | −1.3 % | 1.6 % | 16.0 % | 2 508 000 (26) | 3 of 3 | 63 % | covers 50 % |
//! | M/M/1 floor 0.5 % * | 0.65 | 100 % | 100 % | −1.8 % | 3.3 % | 19.3 % | 174 000 (4) | 7 of 7 | 13 % | covers 72 % |
//! | M/M/1 floor 0.8 % * | 0.59 | 100 % | 100 % | −2.1 % | 4.4 % | 19.8 % | 150 100 (4) | 7 of 7 | 0 | covers 31 % |
//!
//! `held` was run once, on seeds 1 to 5, with the current step, on 20 of the 21 cells: 100 of 100 intervals cover and
//! are safe; 79 searches are sure, and all of them cover. The median cost is 0.4 to 59 × the price (heavy tails), the
//! RMSE 1 to 5 % per cell. "70B, 32 sequences" was run afterwards on seeds 1 to 6 and covers 6 of 6. "LN(3), floor
//! 0.6 %" is never found within 200 probes; "two regimes p95" and "0.4 % fail, wall" are doubted 4 times in 5.
//!
//! Changes came after the runs of the table. The latencies of calm requests are compared with those of the requests
//! around them (fewer false doubts near saturation). A search tries the upper end of its interval, knows how a backlog
//! grows where a service just keeps up, and doubts a floor that may be close to the allowed share. It waits until the
//! backlog of a probe is gone, and in a search for a mean its windows are long beside the service's memory (before, the
//! mean at 92 % of the capacity was 5 % too low, and 28 % of its searches were sure and wrong). With all of them, in
//! shares of all searches. Cells with a floor of more than 0.8 of the allowed share (M/M/16 and 64 have one: a service
//! longer than the limit) are doubted as they should be.
//!
//! | cell | searches, from seed | covers | safe | doubted | sure and wrong |
//! |---|---|---|---|---|---|
//! | ten queues (RMSE 3.1 %, 37 500 requests, 0.86 × the price) | 200, 101 | 98.0 % | 98.0 % | 4 % | 2.0 % |
//! | four engines | 24, 301 | 95.8 % | 95.8 % | 8 % | 4.2 % |
//! | ten means (36 600 requests) | 100, 301 | 98.0 % | 99.0 % | 4 % | 2.0 % |
//! | mean M/M/1 T=12 | 40, 301 | 97.5 % | 100 % | 2 % | 2.5 % |
//! | M/M/16 | 64, 125 | 85.9 % | 96.9 % | 78 % | 4.7 % |
//! | M/M/1 floor 0.8 % | 24, 125 | 95.8 % | 95.8 % | 62 % | 4.2 % |
//! | M/M/1 floor 0.95 % | 64, 125 | 73.4 % | 92.2 % | 92 % | 3.1 % |
//! | PS collapse | 24, 125 | 95.8 % | 95.8 % | 17 % | 4.2 % |
//! | errors only, none | 24, 101 | 100 % | 100 % | 4 % | 0 % |
//! | tpot, 16, close | 40, 101 | 97.5 % | 100 % | 5 % | 2.5 % |
//! | warms 3 x over 5 min | 24, 101 | 87.5 % | 87.5 % | 25 % | 0 % |
//! | 429 limiter | 24, 101 | 100 % | 100 % | 0 % | 0 % |
//!
//! Without the wait for backlogs; and with it on fewer seeds, where nothing was sure and wrong save 1 of 12 of M/M/64
//! (12 of the first and the third row and of M/M/64; 8 of H2, Pareto 2.5 and the wall; 6 of p99.9 and cut/8; 4 of
//! cut/1; 24 of the floor; 40 of tpot; 21 of `held` from seed 801: 17 sure, all cover):
//!
//! | cell | searches, from seed | covers | safe | doubted | sure and wrong |
//! |---|---|---|---|---|---|
//! | M/LN(3)/1 p99 | 24, 101 | 100 % | 100 % | 4 % | 0 % |
//! | M/LN(3)/1 p99.9 | 12, 101 | 91.7 % | 91.7 % | 8 % | 0 % |
//! | even/LN(3)/1 | 24, 101 | 95.8 % | 95.8 % | 4 % | 4.2 % |
//! | M/Pareto 2.5/1 | 24, 101 | 100 % | 100 % | 8 % | 0 % |
//! | M/Pareto 1.5 cut/1 | 12, 101 | 100 % | 100 % | 25 % | 0 % |
//! | M/Pareto 1.5 cut/8 | 12, 101 | 100 % | 100 % | 75 % | 0 % |
//! | M/H2(5)/2 | 30, 101 | 100 % | 100 % | 3 % | 0 % |
//! | M/M/64 | 24, 101 | 54.2 % | 75.0 % | 100 % | 0 % |
//! | M/M/1 floor 0.5 % | 60, 125 | 100 % | 100 % | 12 % | 0 % |
//! | tpot, 16 sequences | 40, 101 | 97.5 % | 97.5 % | 2 % | 2.5 % |
//! | wall, warms 1.3 x | 20, 101 | 95.0 % | 100 % | 15 % | 0 % |
//! | `held`, 21 cells (69 sure, all cover) | 84, 501 | 100 % | 100 % | 17 % | 0 % |
//!
//! `drift`, 20 searches a row from seed 1: slower by 1.10 after probe 8: 55 % doubted, 10 % sure and wrong; by 1.25:
//! 85 %, 0 %; by 1.50: 100 %, 0 %.
//!
//! Then M/M/64 was run on 24 seeds more (from 601): 2 searches were sure and wrong. In one the moderate levels showed
//! 0.86 of the allowed share, and 0.95 was the most that gave no doubt; it is 0.85 now. The other took the capacity for
//! its limit, although the probes below it missed the objective; this is doubted now. Both changes only add doubts:
//!
//! | cell | searches, from seed | covers | safe | doubted | sure and wrong |
//! |---|---|---|---|---|---|
//! | M/M/64, the 24 seeds that showed it | 24, 601 | 75.0 % | 87.5 % | 100 % | 0 % |
//! | M/M/64, fresh seeds | 24, 801 | 50.0 % | 79.2 % | 100 % | 0 % |
//! | ten queues (RMSE 2.8 %, 34 500 requests, 0.88 × the price) | 120, 701 | 99.2 % | 99.2 % | 5 % | 0.8 % |
//! | four engines | 12, 701 | 100 % | 100 % | 25 % | 0 % |
//! | M/Pareto 2.5/1, M/H2(5)/2, even/LN(3)/1 | 48, 701 | 100 % | 100 % | 2 % | 0 % |
//! | M/M/1 floor 0.8 % | 16, 701 | 93.8 % | 100 % | 81 % | 0 % |
//! | M/M/1 floor 0.5 % | 16, 701 | 100 % | 100 % | 12 % | 0 % |
//! | errors only, none | 24, 701 | 100 % | 100 % | 0 % | 0 % |
//! | wall, warms 1.3 x | 24, 701 | 100 % | 100 % | 0 % | 0 % |
//! | tpot, 16, close | 24, 701 | 87.5 % | 91.7 % | 21 % | 12.5 % (2.5 % of the 40 above) |
//! | M/M/16 | 16, 701 | 75.0 % | 93.8 % | 81 % | 12.5 % (4.7 % of the 64 above) |
//! | tpot, 16, close, fresh seeds (3.8 % of the 184 in all) | 120, 1001 | 95.8 % | 99.2 % | 13 % | 2.5 % |
//! | M/LN(3)/1 p99.9, fresh seeds (4.8 % of the 84 in all) | 72, 1101 | 94.4 % | 95.8 % | 4 % | 5.6 % |
//! | M/Pareto 1.5 cut/8, fresh seeds | 24, 1101 | 100 % | 100 % | 42 % | 0 % |
//! | M/Pareto 2.5/1, fresh seeds | 40, 1101 | 100 % | 100 % | 15 % | 0 % |
//! | M/H2(5)/2, fresh seeds | 40, 1101 | 100 % | 100 % | 2 % | 0 % |
//! | M/Pareto 1.5 cut/1, fresh seeds | 40, 1101 | 100 % | 100 % | 15 % | 0 % |
//! | M/LN(3)/1 p99, fresh seeds | 100, 1101 | 96.0 % | 96.0 % | 4 % | 4.0 % |
//! | even/LN(3)/1, fresh seeds | 100, 1101 | 97.0 % | 98.0 % | 10 % | 3.0 % |
//! | M/M/16, fresh seeds (2.8 % of the 180 in all) | 100, 1001 | 89.9 % | 99.0 % | 94 % | 0 % |
//! | `held`, 21 cells (52 sure, 94 % cover) | 63, 901 | 95.2 % | 95.2 % | 16 % | 4.8 % |
//! | of them the three with a miss: M/D/16, pauses, M/Pareto 2.2/4 | 72, 951 | 97.2 % | 97.2 % | 15 % | 1.4 % |
//!
//! Sessions and mixes, ±10 %. The windows of searches over sessions were lengthened after the first run of `sessions`
//! (seeds 1 to 40: 94.2 % of 120 covered), and no other constant was chosen on them; the table has fresh seeds.
//!
//! | cell | searches, from seed | covers | safe | doubted | sure and wrong |
//! |---|---|---|---|---|---|
//! | 4 turns, M/M/1 T=15 (69 100 requests, 1.17 × the price) | 40, 101 | 100 % | 100 % | 2 % | 0 % |
//! | 2..8 turns, M/M/1 T=15 (96 700 requests, 1.15 ×) | 40, 101 | 100 % | 100 % | 2 % | 0 % |
//! | 4 turns, exp:20s, M/M/4 (34 700 requests, 0.54 ×) | 40, 101 | 97.5 % | 97.5 % | 2 % | 2.5 % |
//! | mix of three, M/M/1 (23 100 requests, 0.71 ×) | 200, 1 | 99.0 % | 99.5 % | 1 % | 1.0 % |
//! | mix of two, close (20 700 requests, 0.82 ×) | 200, 1 | 99.5 % | 100 % | 6 % | 0.5 % |
//!
//! # Measured before
//!
//! Seeds 1 to 200, ±10 %. Constants of the step were tuned on the first five queues (on their seeds 1 to 60, and on
//! M/M/1 at shares 0.3 to 0.95 with seeds from 1001) and on the two 8B engines (the prior of the bend, on seeds 1 to
//! 60; with a prior around 1 the chats took 1.6 and 1.4 times the price). Cells with a star were held back. At that
//! time the queues ran in a loop of this benchmark, not in the driver.
//!
//! | cell | R*/C | covers | safe | bias | RMSE | median width | requests (÷ price) | bisection 7 × 300: bias, > 5 % high | 7 × 1 000 |
//! |---|---|---|---|---|---|---|---|---|---|
//! | M/M/1 T=15 | 0.69 | 99.0 % | 100 % | +0.7 % | 4.1 % | 19.3 % | 21 100 (0.88) | +18 %, 92 % | +7 %, 66 % |
//! | M/M/1 T=46 | 0.90 | 98.5 % | 100 % | +0.0 % | 2.3 % | 16.4 % | 36 200 (0.94) | +10 %, 96 % | +8 %, 81 % |
//! | M/D/1 T=8 | 0.72 | 100 % | 100 % | −0.1 % | 2.6 % | 19.2 % | 18 400 (0.78) | +11 %, 70 % | +5 %, 40 % |
//! | M/M/8 T=7.5 | 0.91 | 97.0 % | 100 % | −0.4 % | 2.2 % | 16.3 % | 43 500 (1.00) | +9 %, 92 % | +6 %, 74 % |
//! | M/M/1-PS T=30 | 0.76 | 99.0 % | 100 % | −0.0 % | 2.9 % | 19.4 % | 19 000 (0.84) | +11 %, 69 % | +4 %, 40 % |
//! | D/M/1 T=20 * | 0.88 | 97.5 % | 100 % | +0.2 % | 2.8 % | 18.1 % | 17 300 (0.93) | +10 %, 91 % | +5 %, 60 % |
//! | gamma CV 2/M/1 T=20 * | 0.50 | 99.0 % | 99.0 % | +0.7 % | 4.1 % | 19.8 % | 64 900 (1.03) | +34 %, 82 % | +13 %, 64 % |
//! | M/M/4 T=7.5 * | 0.82 | 97.0 % | 100 % | +0.0 % | 3.3 % | 19.2 % | 21 600 (1.00) | +13 %, 90 % | +8 %, 71 % |
//! | M/M/1 p95 T=10 * | 0.70 | 97.5 % | 100 % | +0.5 % | 3.7 % | 18.8 % | 11 900 (0.96) | +8 %, 64 % | +3 %, 46 % |
//! | M/M/1 p99 T=15 and p90 T=9 * | 0.69 | 95.5 % | 98.5 % | +1.1 % | 4.6 % | 19.2 % | 17 000 (0.71) | +12 %, 80 % | +5 %, 58 % |
//! | queues pooled | | 98.0 % | 99.8 % | | 3.4 % | | | | |
//! | 8B chat | 0.71 | 100 % | 100 % | −0.5 % | 2.8 % | 19.3 % | 28 800 (1.22) | +16 %, 92 % | +5 %, 54 % |
//! | 8B long | 0.74 | 96.5 % | 100 % | −0.8 % | 3.0 % | 19.1 % | 16 500 (0.72) | +8 %, 66 % | +3 %, 39 % |
//! | 70B chat * | 0.74 | 99.0 % | 100 % | −0.4 % | 2.5 % | 19.2 % | 26 800 (1.16) | +15 %, 95 % | +5 %, 48 % |
//! | 70B long * | 0.64 | 99.5 % | 100 % | +0.1 % | 2.9 % | 19.5 % | 21 900 (0.87) | +11 %, 70 % | +3 %, 42 % |
//! | engines pooled | | 98.8 % | 100 % | | 2.8 % | | | | |
//!
//! Truths of the engines, from five runs of 2·10⁶ requests within 3 % of the answer (intervals by batch means): 8B
//! chat 90.64/s ± 0.16 %, 8B long 1.921/s ± 0.20 %, 70B chat 37.97/s ± 0.16 % (these three limited by TPOT), 70B long
//! 0.725/s ± 0.22 % (limited by TTFT).
//!
//! # A service that becomes slower
//!
//! With `-- drift` the service becomes slower after a given number of probes. The table shows how many answers are
//! doubted, and how many are narrow, undoubted and above the highest rate of the slower service. Measured at ±10 %,
//! seeds 1 to 60, over the searches that had not ended before the change. In brackets: before the version that
//! compares answers of earlier and later probes. Without a budget, a search continues until most of its evidence
//! comes from the slower service, and its answer then mostly holds for the slower service.
//!
//! | slower, after | budget | M/M/1 T=15 | M/D/1 T=8 | M/M/4 T=7.5 | narrow, undoubted, too high |
//! |---|---|---|---|---|---|
//! | 1.5 ×, 8 probes | 20 000 | 98 % (78 %) | 100 % (75 %) | 100 % (28 %) | none |
//! | 1.5 ×, 8 | none | 97 % (97 %) | 78 % (78 %) | 35 % (7 %) | none |
//! | 1.5 ×, 4 | none | 82 % (82 %) | 55 % (55 %) | 7 % (0 %) | none |
//! | 1.25 ×, 8 | none | 50 % (48 %) | 25 % (7 %) | 40 % (0 %) | none |
//! | 1.1 ×, 8 | none | 2 % (0 %) | 2 % (0 %) | 0 % (0 %) | 3 %, 2 %, 3 % (the same) |
//!
//! In the first table, one of 2 000 searches over queues is doubted, and none of 240 over engines (seeds 1 to 60).

#![expect(clippy::print_stdout, clippy::expect_used, reason = "a bench that cannot go on says so by stopping")]

#[path = "common/audit.rs"]
mod audit;
#[path = "common/cell.rs"]
mod cell;
#[path = "common/held.rs"]
mod held;
#[path = "common/long.rs"]
mod long;
#[path = "common/means.rs"]
mod means;
#[path = "common/mg1.rs"]
mod mg1;
#[path = "common/mixes.rs"]
mod mixes;
#[path = "common/play.rs"]
mod play;
#[path = "common/queue.rs"]
mod queue;
#[path = "common/served.rs"]
mod served;
#[path = "common/sessions.rs"]
mod sessions;

use cell::{Cell, Detail, Score};
use queue::{bisection, search_changing};
use served::{SERVED, truth};
use tonnage::search::step::{Answer, Budget, Finding};
use tonnage::seed::Seed;
use tonnage::sim::VirtualPlayer;

/// The options of the command line.
struct Asked {
    /// Searches of each cell.
    repeats: Option<u64>,
    /// The first seed.
    from: u64,
    /// Searches that run at the same time.
    threads: usize,
    quick: bool,
    /// What is printed beside the lines of the cells.
    detail: Detail,
    /// Names of cells, groups and modes.
    names: Vec<String>,
}

impl Asked {
    const MODES: [&str; 4] = ["truths", "at-truth", "drift", "bisection"];
    /// The groups that run without a NAME; `held` runs only by name, once, at the end of a change.
    const USUAL: [&str; 4] = ["queues", "engines", "audit", "means"];

    fn read() -> Self {
        let quick = std::env::var_os("TONNAGE_BENCH_QUICK").is_some();
        let mut asked = Self { repeats: None, from: 1, threads: 2, quick, detail: Detail::None, names: Vec::new() };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut number = || {
                words.next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{word} takes a number"))
            };
            match word.as_str() {
                "--repeats" => asked.repeats = Some(number()),
                "--from" => asked.from = number(),
                "--threads" => asked.threads = number() as usize,
                "--quick" => asked.quick = true,
                "--each" => asked.detail = Detail::Answers,
                "--probes" => asked.detail = Detail::Probes,
                // Added by Cargo.
                "--bench" => {}
                _ => asked.names.push(word),
            }
        }
        asked
    }

    fn names(&self, mode: &str) -> bool {
        self.names.iter().any(|name| name == mode)
    }

    fn wants(&self, cell: &Cell) -> bool {
        let mut named = self.names.iter().filter(|name| !Self::MODES.contains(&name.as_str())).peekable();
        if named.peek().is_none() {
            return Self::USUAL.contains(&cell.group);
        }
        named.any(|name| *name == cell.group || *name == cell.name)
    }

    fn repeats(&self, usual: u64) -> u64 {
        self.repeats.unwrap_or(if self.quick { 2 } else { usual }).max(1)
    }
}

/// Every cell of every group.
fn cells() -> Vec<Cell> {
    let queues = queue::cells().into_iter().map(|cell| Cell {
        name: cell.name,
        group: "queues",
        tuned_on: cell.tuned_on,
        process: cell.process(),
        slo: cell.slo(),
        tokens: ("1", "1"),
        workload: None,
        truth: cell.truth,
        truth_error: 0.0,
        capacity: cell.capacity(),
        open: Box::new(move |seed| VirtualPlayer::over(cell.open(seed))),
    });
    let engines = SERVED.iter().map(|cell| Cell {
        name: cell.name,
        group: "engines",
        tuned_on: cell.tuned_on,
        process: "poisson",
        slo: cell.slo(),
        tokens: (cell.input_tokens, cell.output_tokens),
        workload: None,
        truth: cell.truth,
        truth_error: cell.truth_error,
        capacity: cell.capacity,
        open: Box::new(|seed| VirtualPlayer::new(cell.profile.parse().expect("a profile"), seed)),
    });
    queues
        .chain(engines)
        .chain(audit::cells())
        .chain(means::cells())
        .chain(held::cells())
        .chain(sessions::cells())
        .chain(mixes::cells())
        .collect()
}

/// Searches over a service that becomes slower by a factor after a given number of probes: counts the doubted
/// answers, and the answers that are narrow, undoubted and above the highest rate of the slower service.
fn drift(seeds: u64) {
    println!("a service that gets slower, ±10 %, seeds 1 to {seeds}");
    println!("cell                 slower  after  budget   doubted  narrow, undoubted, wrong");
    for cell in queue::cells().iter().filter(|cell| ["M/M/1 T=15", "M/D/1 T=8", "M/M/4 T=7.5"].contains(&cell.name)) {
        for (slower, after, budget) in
            [(1.1, 8, None), (1.25, 8, None), (1.5, 8, None), (1.5, 8, Some(20_000)), (1.5, 4, None), (1.5, 12, None)]
        {
            let question = cell.question(0.1, Budget { requests: budget, seconds: None });
            let changed = cell.slower(slower);
            let (mut runs, mut doubted, mut wrong) = (0.0, 0.0, 0.0);
            for seed in 1..=seeds {
                let found = search_changing(&question, Seed::new(seed), |probe| {
                    if probe < after { cell.clone() } else { changed.clone() }
                });
                // A search that ended before the change is not counted.
                if found.history.probes.len() <= after + 1 {
                    continue;
                }
                runs += 1.0;
                let Answer { finding, bracket: Some(bracket), doubts, .. } = &found.answer else { continue };
                doubted += f64::from(u8::from(!doubts.is_empty()));
                wrong +=
                    f64::from(u8::from(doubts.is_empty() && *finding == Finding::Found && bracket.low > changed.truth));
            }
            let budget = budget.map_or_else(|| "none".to_owned(), |requests| requests.to_string());
            println!(
                "{:20} {slower:6.2} {after:6} {budget:>7} {:8.1}% {:8.1}%  of {runs}",
                cell.name,
                100.0 * doubted / runs,
                100.0 * wrong / runs
            );
        }
    }
}

/// Computes the truths of cells without a closed form.
fn truths(asked: &Asked) {
    let cells = cells();
    let wanted = |name: &str| cells.iter().any(|cell| cell.name == name && asked.wants(cell));
    let told = |line: String| println!("{line}");
    for (name, longs) in audit::longs().into_iter().chain(held::longs()).filter(|(name, _)| wanted(name)) {
        for long in &longs {
            long::truth(name, long, if asked.quick { 1_000_000 } else { 100_000_000 }, told);
        }
    }
    if wanted(audit::UNLIMITED.name) {
        let requests = if asked.quick { 20_000 } else { 400_000 };
        println!(
            "{:22} R* {:.4}/s, all that it completes",
            audit::UNLIMITED.name,
            audit::UNLIMITED.saturated_per_s(requests)
        );
        let shares = audit::UNLIMITED.long_run(0.99 * audit::UNLIMITED.truth, requests, Seed::new(1));
        println!("{:22} {:.4} % beyond the limit at 0.99 of it", audit::UNLIMITED.name, 100.0 * shares.share[1]);
    }
    for cell in SERVED.iter().chain(held::ENGINES).filter(|cell| wanted(cell.name)) {
        truth(cell, if asked.quick { 400_000 } else { 2_000_000 }, told);
    }
}

/// Runs a long load slightly below, at and above the truth of each cell, directly against its service.
fn at_truth(asked: &Asked) {
    let (requests, seed) = (if asked.quick { 20_000 } else { 400_000 }, Seed::new(asked.from));
    println!("misses ÷ allowed, of each objective, among {requests} requests at 0.98, 1 and 1.02 of R*");
    for cell in cells().iter().filter(|cell| asked.wants(cell)) {
        let found = [0.98, 1.0, 1.02].map(|factor| {
            let misses = cell.asked(0.1).misses_at(&mut (cell.open)(seed), factor * cell.truth, requests, seed);
            misses.iter().map(|(share, allowed)| format!("{:.3}", share / allowed)).collect::<Vec<_>>().join(" and ")
        });
        println!("{:22} {:9.4}/s: {}", cell.name, cell.truth, found.join(", "));
    }
}

fn plain_bisection(seeds: u64) {
    println!("\nplain bisection on the point estimate, 7 probes that start empty");
    println!("cell                 requests    bias   RMSE  more than 5 % too high");
    let print = |name: &str, truth: f64, found_by: &dyn Fn(u32, Seed) -> f64| {
        for each in [300, 1_000] {
            let found: Vec<f64> = (1..=seeds).map(|seed| found_by(each, Seed::new(seed)) / truth - 1.0).collect();
            let count = found.len() as f64;
            println!(
                "{name:20} {:>8} {:+6.1}% {:5.1}% {:6.1}%",
                format!("7×{each}"),
                100.0 * found.iter().sum::<f64>() / count,
                100.0 * libm::sqrt(found.iter().map(|error| error * error).sum::<f64>() / count),
                100.0 * found.iter().filter(|error| **error > 0.05).count() as f64 / count
            );
        }
    };
    for cell in queue::cells() {
        print(cell.name, cell.truth, &|each, seed| bisection(&cell, 7, each, seed));
    }
    for cell in SERVED {
        print(cell.name, cell.truth, &|each, seed| cell.bisection(7, u64::from(each), seed));
    }
}

fn main() {
    let asked = Asked::read();
    if asked.names("truths") {
        truths(&asked);
        return;
    }
    if asked.names("at-truth") {
        at_truth(&asked);
        return;
    }
    let seeds = asked.repeats(200);
    if asked.names("drift") {
        drift(seeds);
        return;
    }
    let (precision, cells) = (0.1, cells());
    println!(
        "search at ±{:.0} %, seeds {} to {}; * held back: no constant was chosen on it",
        100.0 * precision,
        asked.from,
        asked.from + seeds - 1
    );
    println!(
        "sure: found without a doubt, and of these; wrong: share of all searches that are sure and do not cover\n{}",
        Score::HEAD
    );
    let (mut tuned, mut untuned) = (Score::default(), Score::default());
    for cell in cells.iter().filter(|cell| asked.wants(cell)) {
        let score = cell.score(precision, (asked.from, seeds), asked.threads, asked.detail);
        let name = format!("{}{}", cell.name, if cell.tuned_on { "" } else { " *" });
        println!("{}", score.line(&name, Some((cell.truth, cell.truth / cell.capacity))));
        if cell.tuned_on { &mut tuned } else { &mut untuned }.pool(&score);
    }
    let mut all = tuned.clone();
    all.pool(&untuned);
    for (name, score) in [("pooled, tuned on", tuned), ("pooled, not tuned on", untuned), ("pooled", all)] {
        if !score.is_empty() {
            println!("{}", score.line(name, None));
        }
    }
    if asked.names("bisection") {
        plain_bisection(seeds);
    }
}
