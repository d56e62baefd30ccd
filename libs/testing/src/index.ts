export { NETWORK_NAMES, randomNetwork, type NetworkName, type RandomNetwork } from "./networks.js";
