import { CHOSEN, dashboard, quantiles, rate } from "./grafana.mjs";

/** Status codes that are the service's own fault, or its dependencies'; the others are answers to wrong requests. */
const OWN_FAULT =
  ',rpc_response_status_code=~"UNKNOWN|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|INTERNAL|UNAVAILABLE|DATA_LOSS"';
const PROCESS = "{{pod}} {{instance}}";
const perProcess = (metric) => `sum by (namespace, pod, instance) (${metric}{${CHOSEN}})`;

/** Share of calls that failed; 0, not nothing, where none did. */
const share = (metric, by) =>
  `(${rate(metric, by, OWN_FAULT)} or ${rate(metric, by)} * 0) / (${rate(metric, by)} > 0 or ${rate(metric, by)} + 1)`;

export const service = dashboard({
  uid: "parley-service",
  title: "Parley / Service",
  description: "Golden signals of any service: calls, errors, durations; event loop, processor, memory.",
  panels: [
    {
      title: "Calls answered",
      description: "Calls per second that ended, by method. A stream counts when it ends.",
      unit: "reqps",
      show: [[rate("rpc_server_call_duration_seconds_count", ["rpc_method"]), "{{rpc_method}}"]],
    },
    {
      title: "Share of calls that failed",
      description:
        "Own failures only (internal, unavailable, too late, overloaded); refusals of wrong requests are not in it.",
      unit: "percentunit",
      show: [[share("rpc_server_call_duration_seconds_count", ["rpc_method"]), "{{rpc_method}}"]],
    },
    {
      title: "Duration of calls",
      description: "95th percentile by method. Long streams (Attach, Reserve) last as long as their connection.",
      unit: "s",
      show: quantiles("rpc_server_call_duration_seconds", { by: ["rpc_method"], of: [0.95] }),
    },
    {
      title: "Calls made",
      description: "Calls per second to other services, by method.",
      unit: "reqps",
      show: [[rate("rpc_client_call_duration_seconds_count", ["rpc_method"]), "{{rpc_method}}"]],
    },
    {
      title: "Share of calls made that failed",
      description: "Failures of the other side, or of the way there.",
      unit: "percentunit",
      show: [[share("rpc_client_call_duration_seconds_count", ["rpc_method"]), "{{rpc_method}}"]],
    },
    {
      title: "Answers by status",
      description: "Calls answered per second, by gRPC status.",
      unit: "reqps",
      show: [
        [rate("rpc_server_call_duration_seconds_count", ["rpc_response_status_code"]), "{{rpc_response_status_code}}"],
      ],
    },
    {
      title: "Event loop delay",
      description: "99th percentile between two readings. Above 100 ms everything that the process does is late.",
      unit: "s",
      show: [[perProcess("nodejs_eventloop_delay_p99_seconds"), PROCESS]],
    },
    {
      title: "Event loop utilisation",
      description: "Share of the time in which the event loop was busy. Near 1 the process can do no more.",
      unit: "percentunit",
      max: 1,
      show: [[perProcess("nodejs_eventloop_utilization_ratio"), PROCESS]],
    },
    {
      title: "Processor",
      description: "Cores in use, by process.",
      unit: "short",
      show: [[rate("process_cpu_time_seconds_total", ["namespace", "pod", "instance"]), PROCESS]],
    },
    {
      title: "Memory",
      description: "Resident memory, by process. Compare with the container's limit.",
      unit: "bytes",
      show: [[perProcess("process_memory_usage_bytes"), PROCESS]],
    },
    {
      title: "Heap",
      description: "V8's heap in use, by process.",
      unit: "bytes",
      show: [[perProcess("v8js_memory_heap_used_bytes"), PROCESS]],
    },
    {
      title: "Uptime",
      description: "Time since the start, by process. A line that falls to 0 is a restart.",
      unit: "s",
      show: [[perProcess("process_uptime_seconds"), PROCESS]],
    },
    {
      title: "Statements",
      description: "95th percentile of the named statements on the way of every job (router services, dealer).",
      unit: "s",
      width: 12,
      show: quantiles("db_client_operation_duration_seconds", { by: ["db_operation_name"], of: [0.95] }),
    },
    {
      title: "Certificates",
      description: "Time until each expires. Renewed at half of their life, so the lines are saws.",
      unit: "s",
      width: 12,
      show: [
        [
          `min by (namespace, pod, instance, certificate) (parley_certificate_remaining_seconds{${CHOSEN}})`,
          `{{certificate}} ${PROCESS}`,
        ],
      ],
    },
  ],
});
