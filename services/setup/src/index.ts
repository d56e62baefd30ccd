export { keepAccessPoint, type AccessPointSettings } from "./access-point.js";
export { setUpOperator, type OperatorSettings } from "./operator.js";
export { Secrets, podAccess, type Access } from "./kubernetes.js";
