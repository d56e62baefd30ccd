import { describe, expect, it } from "vitest";
import { parseCsv } from "./csv.js";

const csv = (text: string) => parseCsv(Buffer.from(text), "patients.csv");

describe("parseCsv", () => {
  it.each([
    ["commas", "1,2.5\n-3,4e2\n"],
    ["a header", "age,dose\n1,2.5\n-3,4e2\n"],
    ["semicolons", "1;2.5\n-3;4e2"],
    ["semicolons and decimal commas", "age;dose\n1;2,5\n-3;4e2\n"],
    ["tabs", "1\t2.5\n-3\t4e2\n"],
    ["a byte order mark, quotes, empty lines and Windows ends", '\uFEFF"age","dose"\r\n"1", 2.5\r\n\r\n-3,+4e2\r\n'],
  ])("reads %s", (_, text) => {
    const read = csv(text);
    expect(read).toMatchObject({ shape: [2, 2], kind: "real", source: "patients.csv" });
    expect([...read.values]).toEqual([1, 2.5, -3, 400]);
  });

  it("reads one column", () => {
    expect(csv("1\n2\n3\n").shape).toEqual([3, 1]);
  });

  it.each([
    ["a word", "1,2\n3,high\n", "patients.csv: row 2 (line 2), column 2: not a number"],
    ["a word under a header", "age,dose\n\n1,2\n3,high\n", "row 2 (line 4), column 2 (dose): not a number"],
    ["NaN", "a,b\n1,NaN\n", "row 1 (line 2), column 2 (b): not a number"],
    ["an empty cell", "1,2\n,4\n", "row 2 (line 2), column 1: empty"],
    ["infinity", "1,2\n1e999,4\n", "row 2 (line 2), column 1: not a number"],
    ["hexadecimal", "1,0x10\n", "row 1 (line 1), column 2: not a number"],
    ["a short row", "1,2\n3\n", "row 2 (line 2) has 1 columns, the first row has 2"],
    ["a row shorter than the header", "a,b,c\n1,2\n", "row 1 (line 2) has 2 columns, the header has 3"],
    ["a header alone", "age,dose\n", "holds no records"],
    ["blank lines alone", "\n\n", "holds no records"],
    ["an open quote", '1,"2\n', "is not a CSV file"],
  ])("refuses %s, naming the place", (_, text, message) => {
    expect(() => csv(text)).toThrow(message);
    expect(() => csv(text)).toThrow(expect.objectContaining({ reason: "DATASET_INVALID" }));
  });

  it("never repeats a cell in its message", () => {
    expect(() => csv("1,2\n3,secret\n")).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining("secret") }),
    );
  });
});
