//! Owns the terms of the pages, each with its meaning in one sentence, in both languages.

use crate::metrics::Metric;
use crate::report::text::{Said, Text};

/// A term with its meaning.
#[derive(Debug, Clone, Copy)]
pub(in crate::report) struct Term {
    /// The term; in Chinese, the field's word beside it.
    pub(in crate::report) name: Said,
    /// Its meaning.
    pub(in crate::report) meaning: Said,
}

const fn term(en: &'static str, zh: &'static str, meaning_en: &'static str, meaning_zh: &'static str) -> Term {
    Term { name: Said { en, zh }, meaning: Said { en: meaning_en, zh: meaning_zh } }
}

/// The terms that are no metrics.
pub(in crate::report) const TERMS: &[Term] = &[
    term(
        "planned instant",
        "计划时刻",
        "When the plan says that a request leaves. Latencies count from it, so a late send cannot hide a \
         slow service.",
        "计划规定请求发出的时刻。延迟从此刻起算，因此发送晚了也不能掩盖服务变慢。",
    ),
    term(
        "p50, p90, p99",
        "p50、p90、p99",
        "50, 90 or 99 % of the requests were at most this slow. Failed, timed-out and shed requests count \
         as infinitely slow.",
        "50 %、90 % 或 99 % 的请求不慢于此值。失败、超时和被放弃的请求按无限慢计。",
    ),
    term(
        "95 % interval",
        "95 % 置信区间",
        "The range that holds the true figure of the service in 95 of 100 repeated runs. Requests that \
         depend on each other widen it. — means that the run has too few requests.",
        "重复运行 100 次，有 95 次包含服务真实值的范围。请求之间相互依赖会使它变宽。“—”表示请求太少。",
    ),
    term(
        "sent",
        "自发送起",
        "The latency from the instant at which the request really left.",
        "从请求真正发出的时刻起算的延迟。",
    ),
    term(
        "objective",
        "目标（SLO）",
        "A limit that was asked for with --slo. It is met only if the run is long enough to be sure.",
        "用 --slo 要求的上限。只有运行足够长、能够确定时才算达标。",
    ),
    term(
        "95 % bounds",
        "95 % 界限",
        "The lower and the upper bound of the share of requests beyond the limit, each with 95 % confidence.",
        "超过上限的请求占比的下界和上界，各有 95 % 的置信度。",
    ),
    term(
        "PASS, FAIL, INCONCLUSIVE",
        "达标、未达标、无法判定",
        "The objectives are met for sure, missed for sure, or the run cannot tell; the reason says what \
         would.",
        "目标确定达到、确定未达到，或运行无法判断；原因中说明需要什么。",
    ),
    term(
        "good request",
        "达标请求",
        "A request that completed and met every limit for a single request.",
        "已完成且满足单个请求全部上限的请求。",
    ),
    term("goodput", "有效吞吐量", "Good requests per second.", "每秒达标请求数。"),
    term("attained", "达标率", "Good requests as a share of all requests offered.", "达标请求占全部发出请求的比例。"),
    term(
        "warm-up",
        "预热",
        "The time before the measured window. Its requests are sent, but not counted.",
        "测量窗口之前的时间。其请求会发送，但不计入。",
    ),
    term("in flight", "在途", "Requests that were sent and have not ended.", "已发送且尚未结束的请求。"),
    term(
        "class",
        "类别",
        "The requests of one part of a mix (--mix), with their own lengths, model and objectives.",
        "混合负载（--mix）中一部分的请求，有各自的长度、模型和目标。",
    ),
    term(
        "open loop",
        "开环",
        "Requests leave when the plan says, whether the service has answered earlier ones or not: as \
         independent users do.",
        "请求按计划发出，无论服务是否已回答之前的请求：与相互独立的用户一样。",
    ),
    term(
        "closed loop",
        "闭环",
        "Each answer releases the next request, so a slow service gets fewer requests.",
        "每个回答释放下一个请求，因此慢的服务得到的请求更少。",
    ),
    term(
        "timed out",
        "超时",
        "The request had no complete answer within --timeout.",
        "请求在 --timeout 内没有得到完整回答。",
    ),
    term(
        "unresolved",
        "未决",
        "The request was still open when the drain after the load ended.",
        "负载之后的排空结束时，请求仍未结束。",
    ),
    term(
        "cancelled",
        "已取消",
        "The client gave the request up, as --cancel asks of some. No latency and no objective counts those.",
        "客户端按 --cancel 的要求放弃了请求。任何延迟和目标都不计入这些请求。",
    ),
    term(
        "shed",
        "被放弃",
        "The request was not sent, because --max-in-flight was reached. It counts as a miss.",
        "因达到 --max-in-flight 而未发送的请求。按未达标计。",
    ),
    term(
        "session",
        "会话",
        "The turns of one user: each later turn is sent when the answer before it has ended and the think \
         time has passed. New sessions begin at planned instants.",
        "一个用户的多轮请求：前一轮回答结束并经过思考时间后才发送下一轮。新会话在计划时刻开始。",
    ),
    term(
        "turn",
        "轮次",
        "One request of a session. It carries the conversation before it where the load is made of sessions.",
        "会话中的一个请求。负载由会话组成时，它携带之前的对话。",
    ),
    term(
        "knee",
        "拐点",
        "The highest rate at which the service is stable, below the lowest rate that saturates it.",
        "服务保持稳定的最高速率，低于使其饱和的最低速率。",
    ),
    term(
        "saturation rate",
        "饱和速率",
        "The rate at which the service completes requests when more are offered.",
        "发出更多请求时，服务完成请求的速率。",
    ),
    term(
        "strained, saturated",
        "吃紧、饱和",
        "Some signs of overload are visible; all signs that prove overload are visible.",
        "出现部分过载迹象；出现证明过载的全部迹象。",
    ),
    term(
        "probe",
        "探测",
        "One load of a search, long enough to judge the objective at its rate.",
        "搜索中的一个负载，长度足以判断该速率下的目标。",
    ),
    term(
        "interval of the search",
        "搜索的置信区间",
        "The range that holds the highest rate that meets the objectives, with the stated confidence.",
        "以所述置信度包含满足目标的最高速率的范围。",
    ),
    term(
        "best estimate",
        "最佳估计",
        "The most likely highest rate that meets the objectives. The answer is the lower end of the interval.",
        "最可能的满足目标的最高速率。结果取区间的下界。",
    ),
    term(
        "episodes of misses",
        "未达标的成组出现",
        "Misses come in groups, and requests of one group say the same. The number of groups decides how \
         much is known.",
        "未达标成组出现，同组请求提供相同的信息。组数决定所知的多少。",
    ),
    term(
        "certificate",
        "认证",
        "A fresh load at the answer, which no earlier step has seen.",
        "在结果处进行的一次全新负载，之前的步骤都没有用过。",
    ),
    term(
        "plan fingerprint",
        "计划指纹",
        "A hash of all planned instants, lengths and sessions. Equal fingerprints mean equal load.",
        "全部计划时刻、长度和会话的哈希。指纹相同即负载相同。",
    ),
    term("body fingerprint", "请求体指纹", "A hash of the bytes of all requests.", "全部请求字节的哈希。"),
    term(
        "seed",
        "随机种子",
        "The number from which everything random follows. The same seed gives the same plan on every machine.",
        "一切随机性的来源。相同的种子在任何机器上给出相同的计划。",
    ),
    term(
        "salt",
        "盐值",
        "A text in the prompts that keeps a prefix cache from knowing them from an earlier run.",
        "提示中的一段文本，使前缀缓存不会认出之前运行的提示。",
    ),
];

/// Title and meaning of each metric in Chinese, in the order of the catalogue.
const METRICS: [(Metric, &str, &str); Metric::ALL.len()] = [
    (Metric::Ttft, "首 Token 时间", "从起点到第一个非空增量（推理内容也算）的时间"),
    (Metric::Ttfo, "首个回答 Token 时间", "从起点到第一个非推理的非空增量的时间；没有推理时等于 ttft"),
    (Metric::E2e, "端到端延迟", "从起点到最后一个非空增量的时间；非流式：到回答结束的时间"),
    (
        Metric::Tpot,
        "每 Token 时间",
        "（末 Token − 首 Token）÷（n − k），n 为输出 Token 数，k 为第一个事件中的 Token 数（未知时为 1）",
    ),
    (Metric::Ntpot, "归一化每 Token 时间", "e2e ÷ n，n 为输出 Token 数"),
    (Metric::Itl, "Token 间延迟", "相邻 Token 事件之间的每个间隔，合并统计；目标按每个请求的平均间隔判定"),
    (
        Metric::Tbt,
        "Token 之间的时间",
        "按 Token 数加权的 itl 间隔：含 k 个 Token 的间隔计为 k 个 间隔÷k 的样本；k 未知时缺失",
    ),
    (Metric::Stall, "最长停顿", "一个请求中 Token 事件之间的最长间隔：用户看到的卡顿"),
    (Metric::SendLag, "发送滞后", "从计划到发送，再到写出第一个字节（不含建立连接）的时间：发生器自身的误差"),
    (Metric::WakeLag, "唤醒滞后", "首 Token：线程读取的时刻减去内核时间戳；有内核时间戳时不计入任何延迟"),
    (
        Metric::OutputSpeed,
        "每用户输出速度",
        "（n − k）÷（末 Token − 首 Token），n 为输出 Token 数，k 为第一个事件中的 Token 数（未知时为 1）",
    ),
    (Metric::InputTokens, "输入 Token 数", "服务器报告的提示 Token 数，否则为分词器的计数，否则为计划值"),
    (Metric::OutputTokens, "输出 Token 数", "服务器报告的回答 Token 数（含推理）；否则为分词器的计数；否则为事件数"),
];

/// Title and meaning of a metric.
const BOTH: Said = Said { en: "{}. {}", zh: "{}。{}。" };

/// The title of `metric`.
pub(in crate::report) fn title(metric: Metric) -> Text {
    Said { en: metric.row().title, zh: METRICS[metric as usize].1 }.into()
}

/// The meaning of each of `names`: keys of metrics, and terms of the list above. An unknown name is left out.
pub(in crate::report) fn terms(names: &[&str]) -> Vec<(Text, Text)> {
    let found = |name: &&str| {
        if let Some((metric, title, meaning)) = METRICS.into_iter().find(|(metric, ..)| metric.key() == *name) {
            let sentence = Said { en: metric.row().sentence, zh: meaning };
            let titled = Said { en: metric.row().title, zh: title };
            return Some((Text::data(metric.key()), BOTH.with([titled.into(), sentence.into()])));
        }
        TERMS.iter().find(|term| term.name.en == *name).map(|term| (term.name.into(), term.meaning.into()))
    };
    names.iter().filter_map(found).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chinese_titles_of_metrics_stand_in_the_order_of_the_catalogue() {
        assert_eq!(METRICS.map(|(metric, ..)| metric), Metric::ALL);
        assert!(METRICS.iter().all(|(_, title, meaning)| !title.is_ascii() && !meaning.is_ascii()));
    }
}
