// The least a backend for Vonage's event webhook does, in Express: it checks the token and the body's hash, keeps the
// leg's fields in Redis with an expiry, and only then replies.
// The token: https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks
import { createHash } from "node:crypto";

import { verifySignature } from "@vonage/jwt";
import express from "express";
import { Redis } from "ioredis";

const { PORT, REDIS_URL, SIGNATURE_SECRET } = process.env;
const SECONDS_KEPT = 7 * 24 * 3600;
// Commands of one turn of the event loop go out together: https://github.com/redis/ioredis#autopipelining
const redis = new Redis(REDIS_URL, { enableAutoPipelining: true });
const app = express();

function isSigned(request) {
  const token = (request.get("authorization") ?? "").replace("Bearer ", "");
  if (!verifySignature(token, SIGNATURE_SECRET)) return false;
  const claims = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
  return claims.payload_hash === createHash("sha256").update(request.raw).digest("hex");
}

app.use(express.json({ verify: (request, _, bytes) => { request.raw = bytes; } }));

app.post("/voice/event", async (request, response) => {
  if (!isSigned(request)) return response.sendStatus(401);
  const { conversation_uuid: conversation, uuid, status, timestamp, from, to, direction } = request.body;
  const key = `leg:${conversation}:${uuid}`;
  await Promise.all([
    redis.hset(key, { from, to, direction, [status]: timestamp }),
    redis.expire(key, SECONDS_KEPT),
  ]);
  response.status(200).end();
});

app.listen(Number(PORT), "127.0.0.1");
