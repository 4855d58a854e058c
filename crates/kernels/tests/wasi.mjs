// Runs a wasm32-wasip1 test binary under Node: node tests/wasi.mjs FILE.wasm [ARGUMENTS].
// As a runner: CARGO_TARGET_WASM32_WASIP1_RUNNER="node crates/kernels/tests/wasi.mjs".
import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const [file, ...rest] = process.argv.slice(2);
const { PROPTEST_CASES } = process.env;
const wasi = new WASI({
  version: "preview1",
  args: [file, ...rest],
  env: PROPTEST_CASES === undefined ? {} : { PROPTEST_CASES },
  preopens: { "/": process.cwd() },
});
const module = await WebAssembly.compile(await readFile(file));
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
process.exitCode = wasi.start(instance);
