/** Options of both ends of worker to worker streams. A frame is at most 1 MiB and a little; nothing larger is taken. */
export const STREAM_OPTIONS = {
  "grpc.max_receive_message_length": (1 << 20) + 64,
  "grpc.max_send_message_length": (1 << 20) + 64,
  "grpc-node.flow_control_window": 4 << 20,
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.keepalive_permit_without_calls": 1,
  "grpc.enable_retries": 0,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.default_compression_algorithm": 0,
} as const;
