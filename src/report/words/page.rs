//! Owns the texts of the pages outside charts and tables: headings, labels, explanations.

words! {
    RUN_OF: "Run of {} at {}", "运行：{}（{}）";
    SWEEP_OF: "Sweep of {} at {}", "负载扫描：{}（{}）";
    SEARCH_OF: "Search of {} at {}", "最大负载搜索：{}（{}）";
    COMPARISON_OF: "Comparison of {}", "对比：{}";
    INDEX_OF: "Results in {}", "结果汇总：{}";
    BATCH_OF: "latest batch: {}, begun {}", "最近的批次：{}，开始于 {}";
    HISTORY: "History", "历史";
    LATEST_SHOWN: "The latest {} of {} rows are shown; all are in aggregate.csv.",
        "显示最近的 {} 行（共 {} 行）；全部内容见 aggregate.csv。";
    MAPS_LEFT_OUT: "No room is left for the heat maps of this part: `tonnage aggregate` on its folder draws them.",
        "本页面放不下这部分的热图：可对其文件夹运行 `tonnage aggregate`。";
    HEAT_TTFT: "Time to first token p99", "首 Token 时间 p99";
    HEAT_TPOT: "Time per output token p99", "每输出 Token 时间 p99";
    HEAT_TOKENS: "Output tokens per second", "每秒输出 Token 数";
    HEAT_GOODPUT: "Goodput", "有效吞吐量";
    HEAT_ATTAINED: "Share of good requests", "达标率";
    HEAT_JOULES: "Joules per output token", "每输出 Token 能耗（J）";
    FLEET_FOR: "Fleet for {}", "{} 所需的集群";
    LABEL: "label: {}", "标签：{}";
    SIMULATED: "SIMULATED: these figures describe a simulated server, not a real machine.",
        "模拟：这些数据描述的是模拟服务器，不是真实机器。";
    SENTENCES_ENGLISH: "Sentences that are made from the findings are in English.",
        "由结果生成的句子（结论、警告、建议）为英文；标题、表头、图表和术语解释为中文。";
    FOOT: "Made by tonnage {}. The page needs no network and no script, and holds {}.",
        "由 tonnage {} 生成。本页面无需网络和脚本，并包含{}。";
    HOLDS_RESULT: "the content of result.json", " result.json 的内容";
    HOLDS_COMPARISON: "the comparison as JSON", "对比结果的 JSON";
    HOLDS_INDEX: "its rows as JSON", "各行的 JSON";
    HOLDS_FLEET: "the fleet as JSON", "集群结果的 JSON";
    JSON_LACKS: "The JSON in this page lacks {}, which are too long: see result.json.",
        "本页面中的 JSON 缺少{}，因为过长：请见 result.json。";
    NO_JSON: "The result is too long for this page: see result.json.", "结果过长，未包含在本页面中：请见 result.json。";
    LACKS_SERIES: "the time series", "时间序列";
    LACKS_HISTOGRAMS: "the time series and the histograms", "时间序列和直方图";

    ANSWER: "Answer", "结论";
    TO_KNOW: "What to know", "须知";
    WARNING: "Warning: ", "警告：";
    OBJECTIVES: "Objectives", "目标（SLO）";
    LATENCY: "Latency", "延迟分析";
    DISTRIBUTIONS: "Distributions", "百分位分布";
    CLASSES: "Classes", "类别";
    CLASS: "Class {}", "类别 {}";
    MORE_CLASSES: "{} more classes are in the table above and in result.json.", "其余 {} 个类别见上表和 result.json。";
    SESSIONS: "Sessions", "会话";
    RECOVERY: "Recovery", "恢复";
    LOAD: "Load", "负载";
    LENGTHS: "Lengths", "长度";
    OVER_TIME: "Over time", "随时间的变化";
    SERVER: "What the server says", "服务器指标";
    ONE_BY_ONE: "Requests one by one", "每请求详情";
    FAILURES: "Failures", "失败";
    ON_TIME: "Was the load generator on time?", "负载发生器是否准时？";
    WAS_LATE: "No: send lag p99 is {}, above the limit of {}, so some latencies may be the generator's own.",
        "否：发送滞后 p99 为 {}，超过上限 {}，部分延迟可能来自负载发生器本身。";
    WAS_ON_TIME: "Send lag p99 is {}; up to {} it does not matter for these objectives.",
        "发送滞后 p99 为 {}；在 {} 以内对这些目标没有影响。";
    NOTES: "Notes", "说明";
    NEXT: "What to do next", "下一步";
    LATENCY_BY_LOAD: "Latency against load", "延迟与负载的关系";
    THROUGHPUT_BY_LOAD: "Throughput against load", "吞吐量分析";
    PROBES: "Probes", "探测";
    HOW_MEASURED: "How it was measured", "运行配置";
    CONFIGURATION: "Configuration: every option in force", "配置：全部生效的选项";
    TERMS: "What these terms mean", "术语解释";
    TABLE_OF: "Table: {}", "表格：{}";
    ROWS_LEFT_OUT: "{} of {} rows are shown, evenly spaced; all are in the JSON.", "显示 {} 行（共 {} 行），等间隔抽取；全部内容见 JSON。";
    LINES_LEFT_OUT: "The first {} of {} are shown; all are in the JSON.", "显示前 {} 条（共 {} 条）；全部内容见 JSON。";
    RUNS: "Runs", "对比的运行";
    COSTS: "Cost", "成本";
    REPLICAS: "Replicas", "副本";
    DEMAND: "Demand", "需求";
    CHECKED: "Checked by simulation", "模拟验证";
    RESTS_ON: "What it rests on", "假设";
    UNCERTIFIED: "UNCERTIFIED: the rate of a replica has no confidence interval.", "未认证：副本的速率没有置信区间。";
    NOT_COVERED: "NOT COVERED: bursts of {} for {}; see below.", "未覆盖：{} 的突发，持续 {}；见下文。";

    // Names of tables, for those who cannot see them.
    T_CELLS: "cells", "单元";
    T_BATCHES: "batches", "批次";
    T_ALL_RESULTS: "all results", "全部结果";
    T_OBJECTIVES: "objectives", "目标";
    T_LATENCY: "latency", "延迟";
    T_CLASSES: "classes", "类别";
    T_SESSIONS: "sessions", "会话";
    T_SERVER: "what the server says", "服务器指标";
    T_RECOVERY: "recovery after steps of the rate", "速率阶跃后的恢复";
    T_REQUESTS: "requests", "请求";
    T_THROUGHPUT: "throughput", "吞吐量";
    T_TOKENS: "tokens of a request", "每请求 Token 数";
    T_FAILURES: "failures", "失败";
    T_LOADS: "loads", "负载";
    T_GAPS: "time between tokens by load", "各负载的 Token 间隔";
    T_CLASS_LOADS: "classes by load", "各负载的类别";
    T_JUDGED: "objectives by load", "各负载的目标";
    T_PROBES: "probes", "探测";
    T_MEASURED: "how it was measured", "运行配置";
    T_DIFFERENCES: "differences", "差异";
    T_FLEET: "fleet", "集群";

    // Key figures.
    K_SENT: "sent /s", "每秒发送";
    K_OFFERED: "offered /s", "每秒发出";
    K_PLANNED: "planned /s", "每秒计划";
    K_COMPLETED: "completed /s", "每秒完成";
    K_TTFT: "ttft p99", "首 Token 时间 p99";
    K_TPOT: "tpot p99", "每 Token 时间 p99";
    K_E2E: "e2e p99", "端到端 p99";
    K_ITEMS: "items /s", "每秒条目";
    K_TOKENS: "output tok/s", "输出 Token/s";
    K_GOOD: "good requests", "达标请求";
    K_CARRIES: "carries at least", "至少可承载";
    K_BEST: "best estimate", "最佳估计";
    K_INTERVAL: "interval", "置信区间";
    K_REQUESTS: "requests", "请求数";
    K_TIME: "time", "用时";
    K_REPLICAS: "replicas", "副本数";
    K_GPUS: "GPUs", "GPU 数";
    K_HOUR: "cost an hour", "每小时成本";
    K_MONTH: "cost a month", "每月成本";
    K_CARRIED: "carried", "可承载";
    K_MISSED: "not completed", "未完成";
    R_REQUESTS: "{} requests", "{} 个请求";
    R_ORIGINS: "{} planned, {} released", "计划 {} 个，释放 {} 个";
    R_OF: "{} of {}", "{} 个（共 {} 个）";
    R_PROBES: "{} probes", "{} 次探测";
    R_CI: "95 %: {}", "95 % 区间：{}";
    R_P50: "p50 {}", "中位数（p50）{}";
    R_PER_S: "{} per second", "每秒 {}";
    R_CONFIDENCE: "with {} confidence", "置信度 {}";
    R_OF_DEMAND: "of {} asked", "需求 {}";

    // Verdicts.
    PASS: "PASS", "达标";
    FAIL: "FAIL", "未达标";
    INCONCLUSIVE: "INCONCLUSIVE", "无法判定";

    // The part on how a result came about.
    F_COMMAND: "command", "命令";
    F_SEED: "seed", "随机种子";
    F_SALT: "salt", "盐值";
    F_PLAN: "plan fingerprint", "计划指纹";
    F_BODY: "body fingerprint", "请求体指纹";
    F_TOKENS: "prompt tokens", "提示 Token";
    F_COUNTED: "counted before sending by {}", "发送前由 {} 计数";
    F_METADATA: "metadata", "元数据";
    F_STARTED: "started", "开始时间";
    F_TOOL: "tool", "工具";
    F_GENERATOR: "load generator", "负载发生器";
    F_HOST: "{}, {}, {} cores, {} sending threads", "{}，{}，{} 核，{} 个发送线程";
    F_STAMPS: "instants are taken by", "时刻取自";
    F_KERNEL: "the kernel, when the bytes of an answer arrive", "内核（回答字节到达时）";
    F_THREADS: "our threads, when they have read the bytes of an answer", "本工具的线程（读完回答字节时）";
}
