// What others published or what was measured of them: milliseconds of one prediction, MB of traffic where known.
// [ms, MB]; undefined where there is no figure.

/** As published by the authors, on their machines and networks. */
export const PUBLISHED = [
  { system: "Blind Inference, table 1", setting: "LAN", A: [23], B: [25], C: [36] },
  { system: "Blind Inference, toolset, table 2", setting: "LAN", A: [22], B: [25], D: [170] },
  { system: "CrypTen, in the same table", setting: "LAN", A: [43], B: [35], D: [250] },
  { system: "PySyft, in the same table", setting: "LAN", A: [500], B: [660], D: [8200] },
  { system: "SecureNN, 3 parties", setting: "625 MB/s, 0.22 ms", A: [43, 2.1], C: [230, 18.9] },
  { system: "Falcon, 3 parties, online only", setting: "LAN", A: [11, 0.012], C: [47, 0.74] },
  {
    system: "SecureBiNN, 3 parties, binary weights",
    setting: "LAN",
    A: [3, 0.005],
    C: [25, 0.522],
    D: [72, 1.86],
  },
  { system: "Gazelle", setting: "LAN", A: [90, 0.5] },
  { system: "XONN", setting: "LAN", A: [130, 4.3], D: [482, 120.8] },
];

/** On wide area networks, as published. */
export const PUBLISHED_WAN = [
  { system: "SecureNN, 3 parties", setting: "36 to 58 ms", A: [2430], C: [4080] },
  { system: "Falcon, 3 parties, online only", setting: "36 to 58 ms", C: [3060] },
  { system: "SecureBiNN, 3 parties, binary weights", setting: "36 to 58 ms", C: [602], D: [377] },
];

/**
 * Measured on a machine of this kind: 2 cores, loopback, no TLS, two party processes and a dealer where there is one;
 * medians for the whole batch. These systems deal while they run: offline work is included where not said otherwise.
 */
export const PEERS = [
  {
    system: "MP-SPDZ dealer-ring, tuned by us",
    A: [3.2],
    B: [11.6],
    C: [26.7],
    D: [30.6],
    A32: 24,
    B32: 176,
    C32: 449,
    D32: 964,
  },
  { system: "MP-SPDZ dealer-ring, its own layers", B: [101], C: [228], D: [353], B32: 2247, C32: 5709, D32: 11196 },
  {
    system: "SPU SEMI2K, trusted first party (not secure)",
    A: [17],
    B: [96],
    C: [243],
    D: [355],
    A32: 243,
    B32: 1410,
    C32: 3752,
    D32: 6435,
  },
  { system: "SPU Cheetah, no dealer", A: [554], B: [602], C: [1616], D: [2370] },
  {
    system: "CrypTen, trusted first party (not secure)",
    A: [42],
    B: [171],
    C: [214],
    D: [289],
    A32: 62,
    B32: 1403,
    C32: 2835,
    D32: 9411,
  },
  { system: "CrypTen, online alone", A: [42], B: [91], C: [153], D: [211], A32: 52, B32: 807, C32: 2044, D32: 5056 },
  {
    system: "CrypTen with its dealer",
    A: [89],
    B: [224],
    C: [402],
    D: [489],
    A32: 112,
    B32: 1586,
    C32: 3157,
    D32: 7766,
  },
];

export const DESCRIPTIONS = {
  A: "784-128-128-10, ReLU",
  B: "convolution 5x5 1 to 16, max pool 2x2, ReLU, fully connected to 100, ReLU, to 10",
  C: "convolution 5x5 1 to 20, ReLU, max pool 2x2, convolution 5x5 20 to 50, ReLU, max pool 2x2, 800-500, ReLU, 500-10",
  D: "32x32x3: convolution 5x5 3 to 36, max pool, ReLU, convolution 5x5 36 to 36, max pool, ReLU, fully connected to 72, ReLU, to 2",
  M1: "as A",
  M2: "convolution 5x5 1 to 16, ReLU, average pool 2, convolution 5x5 16 to 16, ReLU, average pool 2, 256-100, ReLU, 100-10",
  C1: "the MiniONN CIFAR-10 network: seven convolutions with up to 64 channels, two average pools, 173,056 ReLUs",
  "breast-cancer": "30-16-16-2, ReLU",
  diabetes: "8-20-20-2, ReLU",
  liver: "10-32-32-2, ReLU",
  thyroid: "21-16-16-3, ReLU",
};
