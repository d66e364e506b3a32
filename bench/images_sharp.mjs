// The peer: sharp makes the same two variants from the same file. Prints one JSON line.
// Arguments: mode, file, rounds, folder for the output.
//   source   the usual way: two pipelines that both start from the file
//   shared   one decode: the thumbnail is made from the pixels of the optimized variant, as Lydian does
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";

const [mode, file, rounds, folder] = process.argv.slice(2);
sharp.concurrency(1);
sharp.cache(false);

const fit = (edge) => ({ width: edge, height: edge, fit: "inside", withoutEnlargement: true });
const jpeg = { quality: 85, progressive: true, chromaSubsampling: "4:2:0" };
const webp = { quality: 85 };

async function fromSource() {
  const options = { sequentialRead: true };
  const optimized = await sharp(file, options).rotate().resize(fit(2000)).jpeg(jpeg).toBuffer();
  const thumbnail = await sharp(file, options).rotate().resize(fit(320)).webp(webp).toBuffer();
  return [optimized, thumbnail];
}

async function shared() {
  const { data, info } = await sharp(file, { sequentialRead: true }).rotate().resize(fit(2000)).raw().toBuffer({ resolveWithObject: true });
  const raw = { raw: { width: info.width, height: info.height, channels: info.channels } };
  const optimized = await sharp(data, raw).jpeg(jpeg).toBuffer();
  const thumbnail = await sharp(data, raw).resize(fit(320)).webp(webp).toBuffer();
  return [optimized, thumbnail];
}

const work = mode === "shared" ? shared : fromSource;
const [optimized, thumbnail] = await work(); // also warms up
writeFileSync(join(folder, "optimized.jpg"), optimized);
writeFileSync(join(folder, "thumbnail.webp"), thumbnail);
const before = process.cpuUsage();
const started = performance.now();
for (let round = 0; round < Number(rounds); round++) await work();
const wall = (performance.now() - started) / 1000;
const used = process.cpuUsage(before);
console.log(JSON.stringify({ cpu: (used.user + used.system) / 1e6, wall, rounds: Number(rounds), peer: sharp.versions }));
