import { compile } from "./compile.mjs";

compile();
