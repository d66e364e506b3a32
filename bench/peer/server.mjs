// The peer: what people write with Express, multer (memory storage) and Azure's own SDKs, one process.
//   POST /large             multer → uploadData, and nothing else: no token, no hash, no rows. The hardest peer to beat.
//   POST /api/files/upload  ES256 token, sha256, sniffed type, blob PUT, quota row read and replaced by ETag, record row inserted
//   GET  /api/files/:id     ES256 token, record row read, blob GET piped through
//   GET  /health
import { createHash, createPublicKey, randomUUID, verify } from 'node:crypto';
import { pipeline } from 'node:stream';
import express from 'express';
import multer from 'multer';
import { BlobServiceClient } from '@azure/storage-blob';
import { TableClient } from '@azure/data-tables';

const { PORT, STORAGE, JWKS } = process.env;
const container = BlobServiceClient.fromConnectionString(STORAGE).getContainerClient('peer');
const rows = TableClient.fromConnectionString(STORAGE, 'peer', { allowInsecureConnection: true });
await container.createIfNotExists();
await rows.createTable();

const keys = new Map((JWKS ? JSON.parse(JWKS).keys : []).map((jwk) => [jwk.kid, createPublicKey({ key: jwk, format: 'jwk' })]));
const json = (text) => JSON.parse(Buffer.from(text, 'base64url'));

function authenticate(req, res, next) {
  const [head, body, signature] = (req.get('authorization') ?? '').replace(/^Bearer /, '').split('.');
  const header = head && json(head);
  const key = header && header.alg === 'ES256' && keys.get(header.kid);
  const good = key && verify('sha256', Buffer.from(`${head}.${body}`), { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url'));
  const claims = good && json(body);
  if (!claims || claims.aud !== 'lydian' || claims.exp * 1000 < Date.now()) return res.sendStatus(401);
  req.user = claims.sub;
  next();
}

const MAGIC = [['image/jpeg', 'ffd8ff'], ['image/png', '89504e470d0a1a0a'], ['application/pdf', '255044462d']];
function sniff(data) {
  const hex = data.subarray(0, 16).toString('hex');
  return MAGIC.find(([, magic]) => hex.startsWith(magic))?.[0];
}

async function takeQuota(user, size) {
  for (;;) {
    let quota;
    try {
      quota = await rows.getEntity(user, 'quota');
    } catch (error) {
      if (error.statusCode !== 404) throw error;
    }
    const used = (quota?.used ?? 0) + size;
    if (used > 2 ** 40) throw new Error('over quota');
    const row = { partitionKey: user, rowKey: 'quota', used, files: (quota?.files ?? 0) + 1 };
    try {
      if (quota) await rows.updateEntity(row, 'Replace', { etag: quota.etag });
      else await rows.createEntity(row);
      return;
    } catch (error) {
      if (error.statusCode !== 412 && error.statusCode !== 409) throw error;
    }
  }
}

const app = express();
app.disable('x-powered-by');
const form = multer({ storage: multer.memoryStorage(), limits: { fileSize: 100 * 1024 * 1024 } }).single('file');

app.get('/health', (req, res) => res.json({ status: 'ok' }));

app.post('/large', form, async (req, res) => {
  const id = randomUUID();
  await container.getBlockBlobClient(id).uploadData(req.file.buffer, { blobHTTPHeaders: { blobContentType: req.file.mimetype } });
  res.status(201).json({ id, size: req.file.size });
});

app.post('/api/files/upload', authenticate, form, async (req, res) => {
  const { buffer, originalname } = req.file;
  const type = sniff(buffer);
  if (!type || type !== req.file.mimetype) return res.sendStatus(415);
  const sha256 = createHash('sha256').update(buffer).digest('hex');
  const id = randomUUID();
  await takeQuota(req.user, buffer.length);
  await container.getBlockBlobClient(id).uploadData(buffer, { blobHTTPHeaders: { blobContentType: type } });
  const record = { partitionKey: req.user, rowKey: id, filename: originalname, type, size: buffer.length, sha256, created: new Date() };
  await rows.createEntity(record);
  res.status(201).json({ id, ...record });
});

app.get('/api/files/:id', authenticate, async (req, res) => {
  const record = await rows.getEntity(req.user, req.params.id);
  const blob = await container.getBlobClient(req.params.id).download();
  res.set({
    'Content-Type': record.type, 'Content-Length': record.size, ETag: `"${record.sha256}"`,
    'Content-Disposition': `inline; filename="${record.filename}"`, 'Cache-Control': 'private, no-cache',
  });
  pipeline(blob.readableStreamBody, res, () => {});
});

app.listen(Number(PORT), '127.0.0.1');
