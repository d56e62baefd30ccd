export { FakeAccessPoint } from "./fake-access-point.js";
export { densePlan } from "./plans.js";
export { FakeOffice } from "./fake-office.js";
