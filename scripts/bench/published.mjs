// Figures that the authors of other systems published for the same networks on a local network.
export const PUBLISHED_HEADER = ["system (as published)", "A", "B", "C", "setting"];

/** Seconds per prediction; MB of traffic where published. */
export const PUBLISHED = [
  ["Blind Inference, table 1", "0.023 s", "0.025 s", "0.036 s", "LAN"],
  ["Blind Inference, toolset, table 2", "0.022 s", "0.025 s", "", "LAN"],
  ["CrypTen, in the same table", "0.043 s", "0.035 s", "", "LAN"],
  ["PySyft, in the same table", "0.5 s", "0.66 s", "", "LAN"],
  ["SecureNN (3 parties)", "0.043 s, 2.1 MB", "", "0.23 s, 18.9 MB", "625 MB/s, 0.22 ms"],
  ["Falcon (3 parties, online only)", "0.011 s, 0.012 MB", "", "0.047 s, 0.74 MB", "LAN"],
  ["SecureBiNN (3 parties, binary weights)", "0.003 s, 0.005 MB", "", "0.025 s, 0.522 MB", "LAN"],
  ["Gazelle", "0.09 s, 0.5 MB", "", "", "LAN"],
  ["XONN", "0.13 s, 4.3 MB", "", "", "LAN"],
];

export const NETWORKS = [
  ["A", "784-128-128-10, ReLU"],
  ["B", "convolution 5x5 1 to 16, max pool 2x2, ReLU, fully connected to 100, ReLU, to 10"],
  [
    "C",
    "convolution 5x5 1 to 20, ReLU, max pool 2x2, convolution 5x5 20 to 50, ReLU, max pool 2x2, 800-500, ReLU, 500-10",
  ],
];
