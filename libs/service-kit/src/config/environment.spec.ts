import { describe, expect, it } from "vitest";
import {
  addressVariable,
  addressesVariable,
  commonVariables,
  databaseVariables,
  readEnvironment,
} from "./environment.js";

describe("readEnvironment", () => {
  it("gives defaults, and reads lists of addresses", () => {
    const read = readEnvironment({ ...commonVariables, A: addressesVariable }, { A: "x=localhost:1,y=[::1]:2" });
    expect(read).toMatchObject({
      PARLEY_ENV: "development",
      PARLEY_ADVERTISE: "localhost",
      A: { x: "localhost:1", y: "[::1]:2" },
    });
  });

  it("names every variable that is missing or wrong, and never its value", () => {
    const shape = { ...databaseVariables, PARLEY_IDENTITY_ADDRESS: addressVariable, A: addressesVariable };
    const read = () => readEnvironment(shape, { DATABASE_URL: "mysql://user:password@host", A: "x" });
    expect(read).toThrow(
      /PARLEY_DATA_DIR: is not set[^]*DATABASE_URL: must be a postgresql[^]*PARLEY_IDENTITY_ADDRESS: is not set[^]*A: must be name=host:port/,
    );
    expect(read).not.toThrow(/password/);
  });
});
