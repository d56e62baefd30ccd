/**
 * A network of 4 inputs, 3 hidden values and 2 outputs, as ONNX. All of its weights are multiples of 1/16, so that the result for
 * these records is exact in floating point and in fixed point alike.
 */
export const MODEL = Buffer.from(
  "CAgSBnBhcmxleTr/AQoUCgF4CgJ3MQoCYjESAWgiBEdlbW0KDAoBaBIBciIEUmVsdQoUCgFyCgJ3MgoCYjISAXkiBEdlbW0SCXNlbGYtdGVzdCo8CAQIAxABQgJ3MUowAAAAPwAAgL4AAEA/AAAAvwAAgD4AAAA+AACAPgAAAD8AAEC/AACAPwAAgL8AAAA/KhYIAxABQgJiMUoMAAAAPgAAAL4AAIA+KiQIAwgCEAFCAncyShgAAEA/AAAAvwAAgD4AAAA/AACAvgAAID8qEggCEAFCAmIySggAAIA9AABAvloTCgF4Eg4KDAgBEggKAggBCgIIBGITCgF5Eg4KDAgBEggKAggBCgIIAkIECgAQDQ==",
  "base64",
);

export const RECORDS = [
  [0.5, -0.25, 1, 0.75],
  [-1, 0.5, 0.25, 0],
];

/** W2 * max(0, W1 * x + b1) + b2, by hand. */
export const RESULTS = [
  [1.1328125, -0.80078125],
  [0.15625, 0],
];
