//! Owns the Chinese words of the tables that the HTML page shares with the console: headings, and cells that are words.

use std::borrow::Cow;

use crate::report::text::{Lang, Said, Text};

const fn said(en: &'static str, zh: &'static str) -> Said {
    Said { en, zh }
}

/// Headings of columns. A heading that is not here is data (an objective, a letter) or a percentile of a metric.
#[rustfmt::skip]
pub(in crate::report) const HEADINGS: &[Said] = &[
    said("requests", "请求"), said("planned", "计划"), said("released", "已释放"), said("sent", "已发送"),
    said("completed", "已完成"), said("good", "达标"), said("failed", "失败"), said("timed out", "超时"),
    said("unresolved", "未决"), said("shed", "被放弃"), said("cancelled", "已取消"), said("skipped", "已跳过"),
    said("abandoned", "已遗弃"), said("throughput", "吞吐量"), said("requests/s", "请求/s"), said("items/s", "条目/s"),
    said("in tok/s", "输入 Token/s"), said("out tok/s", "输出 Token/s"), said("good tok/s", "达标 Token/s"),
    said("in flight", "在途"), said("peak", "峰值"), said("latency", "延迟"), said("p99 interval", "p99 置信区间"),
    said("p50 sent", "p50（自发送）"), said("p99 sent", "p99（自发送）"), said("objective", "目标"),
    said("observed", "观测值"), said("missed", "未达标"), said("of", "总数"), said("allowed", "允许值"),
    said("95 % bounds", "95 % 界限"), said("met", "达标"), said("class", "类别"), said("done", "完成"),
    said("turn", "轮次"), said("in tok", "输入 Token"), said("step of the rate", "速率阶跃"), said("at", "时刻"),
    said("broken", "曾被破坏"), said("holds again", "恢复达标"), said("tokens of a request", "每请求 Token 数"),
    said("asked", "要求"), said("counted", "本地计数"), said("server", "服务器"), said("server to asked", "服务器相对要求"),
    said("load", "负载"), said("sent/s", "发送/s"), said("done/s", "完成/s"), said("good/s", "达标/s"),
    said("attained", "达标率"), said("verdict", "判定"), said("sessions/s", "会话/s"), said("probe", "探测"),
    said("rate", "速率"), said("users", "用户数"), said("scale", "倍速"), said("in system", "系统内时间"),
    said("ended", "结束方式"), said("difference", "差异"), said("in %", "以 % 计"), said("95 % interval", "95 % 置信区间"),
    said("against A", "与 A 相比"), said("replica", "副本"), said("sized by", "规划速率"), said("best", "最佳"),
    said("upper", "上界"), said("in fleet", "集群内"), said("stock", "库存"), said("alone", "单独"),
    said("cost/h alone", "单独成本/h"), said("cost at the SLO rate", "SLO 速率下的成本"),
    said("1 000 requests", "1 000 请求"), said("1 000 good", "1 000 达标请求"),
    said("10⁶ output tokens", "10⁶ 输出 Token"), said("routing", "路由"), said("{} replicas", "{} 个副本"),
    said("good there", "达标率"),
    said("fewest", "最少副本"), said("each carries", "每副本承载"), said("pooling gain", "汇聚增益"),
    said("demand over", "需求窗口"), said("highest rate", "最高速率"), said("times the mean", "与均值之比"),
    said("lengths", "长度"), said("ttft p99", "首 Token 时间 p99"), said("tpot p99", "每 Token 时间 p99"),
    said("started", "开始时间"), said("model", "模型"), said("matrix", "矩阵文件"), said("cells", "单元"),
    said("KV used", "KV 占用"), said("J/token", "能耗 J/Token"), said("with a result", "有结果"), said("took", "用时"),
    said("said by the server", "服务器指标"), said("mean", "平均值"), said("largest", "最大值"),
    said("in the window", "窗口内"),
    said("what happened", "发生了什么"), said("what to do", "建议"),
];

/// Cells that are words.
#[rustfmt::skip]
pub(in crate::report) const CELLS: &[Said] = &[
    said("count", "数量"), said("per second", "每秒"), said("in the window", "窗口内"), said("input", "输入"),
    said("output", "输出"), said("yes", "是"), said("NO", "否"), said("no", "否"), said("unsure", "不确定"),
    said("pass", "达标"), said("FAIL", "未达标"), said("in full", "完整"), said("decided", "已判定"),
    said("OVERLOAD", "过载"), said("all missed", "全部未达标"), said("unknown", "未知"),
    said("throughout", "始终达标"), said("meet it", "达标"), said("miss it", "未达标"), said("undecided", "未定"),
    said("* better", "* 更好"), said("** better", "** 更好"), said("* worse", "* 更差"), said("** worse", "** 更差"),
    said("send lag", "发送滞后"), said("output tok/s", "输出 Token/s"), said("stall", "最长停顿"),
    said("demand", "需求"), said("formula", "公式"), said("to carry", "承载所需"), said("replicas", "副本"),
    said("cost", "成本"), said("done", "完成"), said("not run", "未运行"), said("cut off", "被中断"),
    said("killed", "被终止"), said("exit {}", "退出码 {}"),
    said("{} in flight", "{} 个在途"), said("search", "搜索"),
    said("running requests", "运行中的请求"), said("waiting requests", "等待中的请求"),
    said("KV cache used", "KV 缓存占用"), said("preemptions", "抢占次数"),
    said("tokens looked up in the prefix cache", "前缀缓存查询的 Token"),
    said("tokens found in the prefix cache", "前缀缓存命中的 Token"), said("input tokens", "输入 Token"),
    said("output tokens", "输出 Token"), said("GPUs busy", "GPU 占用"), said("GPU memory, GiB", "GPU 显存（GiB）"),
    said("power, W", "功率（W）"), said("energy, J", "能耗（J）"), said("processors of this host busy", "本机处理器占用"),
    said("memory of this host, GiB", "本机内存（GiB）"), said("share found in the prefix cache", "前缀缓存命中率"),
    said("J per output token", "每输出 Token 能耗（J）"),
];

/// The heading `text` of a column in `lang`.
pub(in crate::report) fn heading(lang: Lang, text: &str) -> Cow<'_, str> {
    in_table(HEADINGS, lang, text)
}

/// The cell `text` in `lang`.
pub(in crate::report) fn cell(lang: Lang, text: &str) -> Cow<'_, str> {
    in_table(CELLS, lang, text)
}

fn in_table<'a>(table: &[Said], lang: Lang, text: &'a str) -> Cow<'a, str> {
    if lang == Lang::English {
        return Cow::Borrowed(text);
    }
    // A text with a number in it has its place as `{}`.
    let filled = |said: &Said| {
        let (before, after) = said.en.split_once("{}")?;
        let number = text.strip_prefix(before)?.strip_suffix(after)?;
        Some(said.with([Text::data(number)]).of(lang).to_owned())
    };
    match table.iter().find(|said| said.en == text) {
        Some(said) => Cow::Borrowed(said.of(lang)),
        None => table.iter().find_map(filled).map_or(Cow::Borrowed(text), Cow::Owned),
    }
}
