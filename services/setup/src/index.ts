export { keepAccessPoint, type AccessPointSettings } from "./access-point.js";
export { selfTest, type SelfTestReport } from "./self-test/self-test.js";
export { setUpOperator, type OperatorSettings } from "./operator.js";
export { Secrets, podAccess, type Access } from "./kubernetes.js";
