//! Owns the tests of verb `bench-serve`: a command of vLLM is a run, its block and its file are written.

use crate::cli::{Simulated, folder, json, run, text};

#[test]
fn a_command_of_vllm_is_a_run_whose_block_and_file_have_its_figures() {
    let folder = folder();
    let server = Simulated::start(folder.path(), &["--sim", "delay:ttft=5ms,itl=1ms"]);
    let line = [
        "bench-serve",
        "--backend",
        "openai-chat",
        "--base_url",
        &server.url,
        "--endpoint",
        "/v1/chat/completions",
        "--random-input-len",
        "32",
        "--random_output_len=8",
        "--num-prompts",
        "30",
        "--request-rate",
        "100",
        "--percentile-metrics",
        "ttft",
        "--save-result",
        "--result-filename",
        "v.json",
    ];
    let done = run(folder.path(), &line);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    let (page, said) = (text(&done.stdout), text(&done.stderr));
    assert!(said.starts_with("tonnage run --target http://"), "{said}");
    assert!(said.contains("--percentile-metrics changes nothing"), "{said}");
    let block = page.split("============ Serving Benchmark Result ============").nth(1).expect("a block");
    assert!(block.contains(&format!("{:<40} {:<10}", "Successful requests:", 30)), "{page}");
    let file = json(&folder.path().join("v.json"));
    let keys = ["completed", "num_prompts", "total_input_tokens", "total_output_tokens"];
    assert_eq!(keys.map(|key| file[key].as_u64()), [Some(30), Some(30), Some(960), Some(240)]);
}

#[test]
fn a_flag_that_is_not_supported_sends_nothing_and_is_named() {
    let folder = folder();
    let refused = run(folder.path(), &["bench-serve", "--request-rate", "5", "--max-concurrency", "4"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("--max-concurrency"), "{}", text(&refused.stderr));
    assert!(!folder.path().join("results").exists());
}
