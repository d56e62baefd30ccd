// How it is measured: the part of docs/benchmarks.md that no run changes.
export const METHOD = `## How it is measured

- **Processes.** Clinic A's worker (P0), clinic B's worker (P1) and the dealer are processes of their own, started afresh for each line above.
  P0 and P1 run the worker's session code over its gRPC transport with mutual TLS; the dealer is its service, its ledger in a database. What a
  worker asks its access point for (recording batches, binding a ticket) is answered in the same process at once: the time of those
  writes is in "from submit to result", not here. Networks have random weights from a fixed seed; inputs are random within the schema.
- **Runs.** 300 after warm-up, or as many as fit in 60 s (at least 20; 5 where a batch takes seconds). Each uses a correlation that was prepared
  before and is used once. A batch above the plan's largest run is several runs one after the other; times, messages and bytes are their sums.
- **Floor.** After each run the same messages with the same lengths are exchanged on the same stream without computation, and the integer products of
  all linear layers are computed in plaintext by the same kernels on one core. The floor is the sum of both medians; the ratio is the
  online median over it. ONNX Runtime computes the same network in floating point on one thread. All four alternate, so that a noisy moment
  meets all of them.
- **Offline.** CPU milliseconds (user and system) of each process per batch while runs are prepared: dealing, transfer, expansion, masked products.
  The database of the dealer is a process of its own and is not in them.
- **All work of one inference.** At steady state, one batch at a time, the next ones prepared in the background: elapsed time per batch. It is
  1000 / (records per second sustained) at batch 1.
- **Where the time goes.** Hops are the floor's messages. Kernel times come from further runs, in processes of their own, with a clock around every
  WebAssembly call, both parties together: while one computes, the other mostly waits. Copy is packing, unpacking and additions of words. The
  rest is what is left of the median: JavaScript, copies into messages, waiting that a dry exchange does not have.
- **Links.** loadtest/relay.mjs carries all bytes between P0 and P1 with a one-way delay and a bandwidth per direction. It polls while
  something is about to arrive, which takes a core for that time.
- **Memory.** The peak resident memory that the system reports for each process.
- **Submit to result.** Router services, dealer, and for each organisation an access point and a worker, trained networks (examples/mnist), one image per
  job; first one job at a time, then 16 in flight.
- **Telemetry.** Network A in two sets of processes, and in two whole systems: one exports everything to a receiver that is a process of its own, the
  other nothing. They take turns in blocks of four. Where other work shares the machine, its noise is larger than the difference: the online
  latency was then measured under real-time priority (\`chrt -r 1 npm run bench -- --telemetry --engine\`), both sides alike.
- Bytes are payloads of the online steps; frames, gRPC, HTTP/2 and TLS come on top.

All figures are in [figures.json](benchmarks/figures.json). \`npm run bench -- --quick\` checks results, messages and bytes in half a minute; \`npm run bench -- --micro\` measures the kernels and single layers in
one process; \`npm run bench -- --help\` shows how to choose networks, batches and links.
`;
