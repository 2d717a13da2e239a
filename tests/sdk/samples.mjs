// Runs samples.ts against the service, with ADDRESS in place of its two base URLs: node samples.mjs.

import { readFileSync, writeFileSync } from "node:fs";
import { transform } from "sucrase";

const sample = readFileSync("samples.ts", "utf8").replaceAll(/https:\/\/(gateway|api)\.helicone\.ai/g, process.env.ADDRESS);
const name = `samples-${process.pid}.mjs`;
writeFileSync(name, transform(sample, { transforms: ["typescript"] }).code);
await import(`./${name}`);
