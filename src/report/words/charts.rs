//! Owns the texts of the charts: titles, descriptions, axes, series and lines.

words! {
    // Axes.
    TIME: "time since the start", "自开始起的时间";
    SINCE_PLANNED: "time since the planned instant", "自计划时刻起的时间";
    RATE_AXIS: "requests per second", "每秒请求数";
    IN_FLIGHT_AXIS: "requests in flight", "在途请求数";
    TOKENS_PER_S: "tokens per second", "每秒 Token 数";
    SERVER_AXIS: "requests in the server", "服务器内的请求数";
    SHARE_AXIS: "share in use", "使用占比";
    POWER_AXIS: "watts", "瓦";
    LATENCY_AXIS: "latency", "延迟";
    LAG_AXIS: "lag", "滞后";
    TIME_AXIS: "time", "时间";
    MEAN_AXIS: "mean", "平均值";
    SHARE_BELOW: "share of requests at or below", "不超过该值的请求占比";
    SHARE_OF_REQUESTS: "share of requests", "请求占比";
    SHARE_OF_GAPS: "share of gaps", "间隔占比";
    SHARE_MISSED: "share of requests that missed", "未达标请求占比";
    PROBABILITY: "probability", "概率";
    OFFERED_AXIS: "offered requests per second", "每秒发出的请求数";
    SESSIONS_AXIS: "new sessions per second", "每秒新会话数";
    CLOSED_AXIS: "requests in flight (closed loop)", "在途请求数（闭环）";
    USERS_AXIS: "users in flight", "在途用户数";
    SPEED_AXIS: "speed of the trace", "回放倍速";
    INPUT_AXIS: "input tokens of a request", "每请求的输入 Token 数";
    OUTPUT_AXIS: "output tokens of a request", "每请求的输出 Token 数";
    ALL_USERS_AXIS: "output tokens per second, all users", "全部用户每秒输出 Token 数";
    PER_GPU_AXIS: "output tokens per second of one GPU", "每 GPU 每秒输出 Token 数";
    ONE_USER_AXIS: "output tokens per second of one user, median", "单个用户每秒输出 Token 数（中位数）";
    LOAD_NUMBER: "number of the load", "负载序号";
    PROBES_AXIS: "probes so far", "已完成的探测数";
    PERCENT_AXIS: "difference in percent", "差异（%）";
    WINDOW_AXIS: "length of the window", "窗口长度";

    // Lines, ranges and legends.
    INTERVAL: "95 % interval", "95 % 置信区间";
    OBJECTIVE: "objective {}", "目标 {}";
    ALLOWED: "allowed", "允许值";
    ALLOWED_SHARE: "allowed {}", "允许 {}";
    WARM_UP: "warm-up, not counted", "预热（不计入）";
    LAG_LIMIT: "limit of the send lag", "发送滞后上限";
    KNEE: "knee {}", "拐点 {}";
    SATURATION: "saturation {}", "饱和 {}";
    COMPLETES: "completes at least {}", "至少完成 {}";
    BEST: "best estimate {}", "最佳估计 {}";
    ANSWER_RANGE: "interval of the answer", "结果的置信区间";
    CARRIED: "carried by the fleet {}", "集群承载 {}";

    // Series.
    PLANNED: "planned", "计划";
    SENT: "sent", "已发送";
    COMPLETED: "completed", "已完成";
    MISSED: "missed", "未完成";
    IN_FLIGHT: "in flight", "在途";
    OUTPUT_TOKENS: "output tokens", "输出 Token";
    REQUESTS: "requests", "请求";
    GAPS: "gaps", "间隔";
    ASKED: "asked for", "要求";
    CAME: "came", "实际";
    SEND_LAG: "send lag", "发送滞后";
    WAKE_LAG: "wake lag", "唤醒滞后";
    RUNNING: "running", "运行中";
    QUEUED: "waiting", "等待中";
    KV_USE: "KV cache", "KV 缓存";
    GPU_USE: "GPUs", "GPU 占用";
    HOST_CPU: "processors of this host", "本机处理器";
    POWER: "power of all GPUs", "全部 GPU 的功率";
    LAG_MEAN: "mean", "平均";
    LAG_MAX: "largest", "最大";
    GOOD: "good", "达标";
    ALL_OFFERED: "all offered", "全部发出";
    BEST_LOADS: "no other load is better in both", "没有其他负载两方面都更好";
    OTHER_LOADS: "another load is better in both", "有其他负载两方面都更好";
    PROBE: "probe", "探测";
    PROBE_OVERLOADED: "probe that ended in overload", "以过载结束的探测";
    OTHER_LOAD: "other load", "其他负载";
    FITTED: "fitted curve", "拟合曲线";
    CARRIES: "the service carries this load", "服务可承载此负载";
    BRACKET_BEST: "best estimate", "最佳估计";
    SURELY_BETTER: "surely better", "确定更好";
    SURELY_WORSE: "surely worse", "确定更差";
    NOT_SURE: "not sure", "不确定";
    HIGHEST_RATE: "highest mean rate", "最高平均速率";
    WAITING: "planned to sent", "计划到发送";
    TO_FIRST: "sent to first token", "发送到首 Token";
    TO_END: "first token to end", "首 Token 到结束";
    WHOLE: "sent to end, no token", "发送到结束（无 Token）";
    NOT_COMPLETED: "did not complete", "未完成";

    // One load over time.
    RATES_TITLE: "Requests per second over time", "每秒请求数随时间的变化";
    RATES_TOLD: "Planned: as the plan asks. Sent: as they left. Completed: as answers ended. Missed: failed, timed out \
        or shed.", "计划：按计划要求。已发送：实际发出。已完成：回答结束。未完成：失败、超时或被放弃。";
    FLIGHT_TITLE: "Requests in flight over time", "在途请求数随时间的变化";
    FLIGHT_TOLD: "Sent and not yet ended. A number that keeps rising means that the service does not keep up.",
        "已发送但尚未结束的请求。数量持续上升说明服务跟不上。";
    SERVER_TITLE: "Requests in the server over time", "服务器内请求数随时间的变化";
    SERVER_TOLD: "As the server's metrics say. Requests that wait keep waiting for a place in the batches.",
        "来自服务器的指标。等待中的请求尚未进入批次。";
    SHARES_TITLE: "Use of caches and processors over time", "缓存与处理器占用随时间的变化";
    SHARES_TOLD: "As the metrics of the servers, and this host, say.", "来自服务器与本机的指标。";
    POWER_TITLE: "Power over time", "功率随时间的变化";
    POWER_TOLD: "All GPUs together, as their metrics say.", "全部 GPU 合计，来自其指标。";
    TTFT_TIME: "Time to first token over time", "首 Token 时间（TTFT）随时间的变化";
    E2E_TIME: "End-to-end latency over time", "端到端延迟随时间的变化";
    BLOCKS_TOLD: "Median and 99th percentile of the requests planned in each part of the window. In a part with few \
        requests, p99 is the slowest request; a gap means that p99 falls among requests that missed.",
        "窗口各段内计划的请求的中位数和第 99 百分位。请求很少的时段，p99 即最慢的请求；空缺表示 p99 落在未完成的请求中。";
    TOKENS_TITLE: "Output tokens per second over time", "每秒输出 Token 数随时间的变化";
    TOKENS_TOLD: "Output tokens, counted when they arrived.", "输出 Token，按到达时刻计数。";

    // Distributions.
    TAIL_TITLE: "Percentiles of latency from the planned instant", "自计划时刻起的延迟百分位曲线";
    TAIL_TOLD: "How slow the slowest requests are: at p99, 1 % of the requests were slower. Failed requests rank last, \
        so a curve that ends early shows misses.",
        "最慢的请求有多慢：在 p99 处，1 % 的请求更慢。失败的请求排在最后，因此提前结束的曲线表示有未完成的请求。";
    TOKEN_TAIL_TITLE: "Percentiles of the time between tokens", "Token 间隔时间的百分位曲线";
    TOKEN_TAIL_TOLD: "tpot is a mean over each request; itl are single gaps between events; stall is the longest gap \
        of a request.", "tpot 是每个请求的平均值；itl 是事件之间的单个间隔；stall 是一个请求中最长的间隔。";
    SPREAD_TITLE: "Distribution: {}", "分布：{}";
    SPREAD_TOLD: "Each bar is a share of the requests. The dashed lines are p50, p90 and p99, and the objectives. \
        Requests without a value are in no bar: {}.",
        "每个柱表示请求的占比。虚线为 p50、p90、p99 和目标。没有数值的请求不在任何柱中：{}。";
    SPREAD_OF_GAPS_TOLD: "Each bar is a share of the gaps between events of all requests. The dashed lines are p50, \
        p90 and p99 of the gaps.",
        "每个柱表示所有请求的事件间隔的占比。虚线为间隔的 p50、p90 和 p99。";
    INPUT_TITLE: "Input tokens: asked for and counted", "输入 Token：要求与实际";
    OUTPUT_TITLE: "Output tokens: asked for and counted", "输出 Token：要求与实际";
    LENGTHS_TOLD: "Asked for: by all requests of the window. Came: as the server counts, else our tokenizer, else \
        events. Where both bars are alike, the load had the lengths that it was meant to have.",
        "要求：窗口内所有请求的要求值。实际：按服务器的计数，否则按本工具的分词器，否则按事件数。两者相近，说明负载的长度符合预期。";

    // Requests one by one.
    LANES_TITLE: "Some requests, one by one", "部分请求的时间线";
    LANES_TOLD: "{} requests of {}, in the order of the plan: {} drawn at random, and those of at most {} more that \
        did not complete. Each bar begins at the planned instant. A bar that goes on beyond the edge ends in an arrow.",
        "共 {} 个请求（总数 {}），按计划顺序：{} 个随机抽取，另加至多 {} 个未完成的请求。每个条从计划时刻开始，超出边界的条以箭头结尾。";
    LANES_AXIS: "planned at", "计划时刻";
    REQUEST: "request", "请求";
    L_SENT: "sent after", "发送用时";
    L_FIRST: "first token after", "首 Token 用时";
    L_END: "end after", "结束用时";
    O_FAILED: "failed", "失败";
    O_TIMED_OUT: "timed out", "超时";
    O_UNRESOLVED: "unresolved", "未决";
    O_SHED: "shed", "被放弃";
    O_CANCELLED: "cancelled", "已取消";
    O_SKIPPED: "skipped", "已跳过";
    O_ABANDONED: "abandoned", "已遗弃";

    // The load generator.
    LAG_TITLE: "Lag of the load generator", "负载发生器的滞后";
    LAG_TOLD: "Send lag: how much later than planned a request left. Wake lag: how much later than its arrival our \
        thread read the first token. Beyond the limit at p99, the load generator was late.",
        "发送滞后：请求比计划晚多久发出。唤醒滞后：首 Token 到达后多久才被我们的线程读取。p99 超过上限，说明负载发生器迟到。";
    LAG_TIME_TITLE: "Send lag against the plan, over time", "发送相对计划的滞后随时间的变化";
    LAG_TIME_TOLD: "Mean and largest send lag of the requests planned in each part of the run. A rise at one moment \
        shows when the load generator was disturbed.",
        "运行各时段内计划的请求的平均和最大发送滞后。某一时刻的升高显示负载发生器何时受到干扰。";

    // Loads against each other.
    AGAINST_LOAD: "{} against load", "{} 与负载的关系";
    LATENCIES_TOLD: "{}: median, 90th and 99th percentile at each load; the bands are 95 % intervals, where the load \
        has enough requests for one.", "{}：各负载下的中位数、第 90 和第 99 百分位；色带为 95 % 置信区间（请求数足够时）。";
    THROUGHPUT_TITLE: "Completed and good requests against load", "完成与达标的请求与负载的关系";
    THROUGHPUT_TOLD: "Completed requests in the window, and good ones where objectives were given. Below the line of \
        all offered requests, the service does not keep up.",
        "窗口内完成的请求，以及（有目标时）达标的请求。低于“全部发出”线时，服务跟不上。";
    PARETO_TITLE: "Speed of one user against throughput", "单用户速度与总吞吐量（Pareto）";
    PARETO_TOLD: "Each mark is one load, from few requests (left) to many. Up is faster for one user, right is more \
        from the service. The line joins the loads that no other load beats in both.",
        "每个标记是一个负载，从左（请求少）到右（请求多）。向上表示单个用户更快，向右表示服务产出更多。连线为没有其他负载两方面都更好的负载。";
    PARETO_GPU_TOLD: "Throughput is per GPU, of {} GPUs as the metadata say.", "吞吐量按每 GPU 计，共 {} 个 GPU（据元数据）。";


    // Classes.
    CLASS_TITLE: "{} by class", "各类别的 {}";
    CLASS_TOLD: "Percentiles of the requests of each class. Failed requests rank last. {}",
        "各类别请求的百分位。失败的请求排在最后。{}";
    CLASS_LEFT_OUT: "Only the {} classes with the most requests are drawn.", "仅绘制请求最多的 {} 个类别。";

    // A search.
    MISSES_TITLE: "Requests that miss {}, against load", "未达到 {} 的请求与负载的关系";
    MISSES_TOLD: "Each mark is one probe; its bar is the 95 % interval, widened where misses come in groups. A mark at \
        the bottom is a probe without a miss. The answer is where the shares reach the allowed share. The curve is \
        fitted; it only chooses the next probe.",
        "每个标记是一次探测；竖条为 95 % 置信区间，未达标成组出现时会加宽。位于底部的标记表示没有未达标。占比达到允许值处即为结果。曲线为拟合，仅用于选择下一次探测。";
    MEANS_TITLE: "Mean of {} against load", "{} 的平均值与负载的关系";
    MEANS_TOLD: "The mean at each probe.", "每次探测的平均值。";
    ORDER_TITLE: "Course of the search", "搜索过程";
    ORDER_TOLD: "The level of each load, in the order in which they were sent. The search closes in on the answer.",
        "各负载的水平，按发送顺序。搜索逐步逼近结果。";
    BRACKET_TITLE: "The interval as it narrows", "置信区间的收窄过程";
    BRACKET_TOLD: "What the evidence said after each probe: best estimate, and its 95 % interval as a band.",
        "每次探测之后证据给出的最佳估计及其 95 % 置信区间（色带）。";
    POSTERIOR_TITLE: "How likely the service carries a load", "服务可承载某一负载的概率";
    POSTERIOR_TOLD: "The posterior: the probability that the answer is above a load. Where it is 97.5 % and 2.5 %, the \
        interval ends.", "后验概率：结果高于某一负载的概率。概率为 97.5 % 和 2.5 % 处即为区间两端。";

    // A comparison.
    FOREST_TITLE: "Differences of {} from A", "{} 与 A 的差异";
    FOREST_TOLD: "Each row: the difference in percent, and its 95 % interval. An interval that leaves out 0 is sure.",
        "每行：差异百分比及其 95 % 置信区间。不含 0 的区间即为确定。";

    // Many results.
    HEAT_TITLE: "{} by lengths and load", "{}：按长度与负载";
    HEAT_TOLD: "Rows: input and output lengths. Columns: loads. Each cell holds its value; the colour goes from the \
        lowest to the highest value of this map. A cell without a value was not measured.",
        "行：输入与输出长度；列：负载。每格写有数值，颜色从本图最低值到最高值。没有数值的格未测量。";
    HEAT_LOADS: "load", "负载";
    HEAT_LENGTHS: "lengths", "长度";
    HEAT_LOW: "lowest", "最低";
    HEAT_HIGH: "highest", "最高";
    HEAT_MISSED: "objective missed", "未达标";

    // A fleet.
    DEMAND_TITLE: "Peak demand by length of the window", "峰值需求与窗口长度";
    DEMAND_TOLD: "The highest mean rate of the demand over any window of each length. Bursts above the line of what \
        the fleet carries have to wait.",
        "需求在任意该长度窗口内的最高平均速率。超过集群承载线的突发请求需要等待。";
}
