import js from "@eslint/js";
import nx from "@nx/eslint-plugin";
import tseslint from "typescript-eslint";

const engine = ["lib:ring", "lib:plan", "lib:correlation", "lib:protocol", "lib:model"];
const only = (sourceTag, ...onlyDependOnLibsWithTags) => ({ sourceTag, onlyDependOnLibsWithTags });
const kit = ["lib:service-kit", "lib:proto", "lib:agreement"];

/** The table of docs/architecture.md, "Who may import what". */
const depConstraints = [
  only("lib:ring"),
  only("lib:plan"),
  only("lib:proto"),
  only("lib:agreement"),
  only("lib:correlation", "lib:ring", "lib:plan"),
  only("lib:protocol", "lib:ring", "lib:plan"),
  only("lib:model", "lib:ring", "lib:plan"),
  only("lib:service-kit", "lib:proto", "lib:agreement"),
  only("lib:sdk", "lib:proto", "lib:plan", "lib:agreement"),
  only("lib:cli", "lib:sdk", "lib:proto", "lib:plan", "lib:agreement"),
  only("service:identity", ...kit, "lib:plan"),
  only("service:registry", ...kit, "lib:plan"),
  only("service:agreements", ...kit, "lib:plan"),
  only("service:scheduler", ...kit, "lib:plan"),
  only("service:dealer", ...kit, "lib:ring", "lib:plan", "lib:correlation"),
  only("service:access-point", ...kit, "lib:ring", "lib:plan", "lib:model"),
  only("service:worker", ...kit, "lib:ring", "lib:plan", "lib:correlation", "lib:protocol"),
  only("service:setup", ...kit, "lib:sdk"),
  only("lib:testing", ...engine, ...kit, "lib:sdk", "lib:cli"),
];

const noServices = ["@nestjs/*", "@grpc/*", "bullmq", "@opentelemetry/*", "@parley/proto"];
const forbidden = (patterns) => ({
  "no-restricted-imports": [
    "error",
    { patterns: [{ group: patterns, message: "The engine knows channels, not services (docs/architecture.md)." }] },
  ],
});

export default tseslint.config(
  { ignores: ["**/dist/**", "**/build/**", "**/gen/**", "**/assembly/**", "**/node_modules/**"] },
  js.configs.recommended,
  ...tseslint.configs.recommended,
  {
    files: ["**/*.ts"],
    plugins: { "@nx": nx },
    rules: {
      "@nx/enforce-module-boundaries": ["error", { enforceBuildableLibDependency: false, allow: [], depConstraints }],
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/ban-ts-comment": "error",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/no-unused-expressions": ["error", { allowTernary: true, allowShortCircuit: true }],
      "no-restricted-properties": [
        "error",
        { object: "Math", property: "random", message: "Randomness only from node:crypto." },
      ],
      eqeqeq: ["error", "smart"],
      "no-console": "error",
    },
  },
  { files: ["libs/{ring,plan,model,correlation,protocol}/src/**/*.ts"], rules: forbidden(noServices) },
  { files: ["libs/{sdk,cli}/src/**/*.ts"], rules: forbidden(["@nestjs/*"]) },
  { files: ["libs/cli/src/**/*.ts"], rules: { "no-console": "off" } },
  {
    files: ["**/*.mjs", "libs/cli/bin/*.js"],
    languageOptions: {
      globals: {
        process: "readonly",
        console: "readonly",
        URL: "readonly",
        setTimeout: "readonly",
        clearTimeout: "readonly",
        setInterval: "readonly",
        clearInterval: "readonly",
        Buffer: "readonly",
        performance: "readonly",
        setImmediate: "readonly",
        WebAssembly: "readonly",
      },
    },
  },
);
