// A merchant as merchants write them: it takes notices over HTTP and verifies
// each with a published library, or, as they have no v1a, with Node's own
// ed25519. It answers 200 when the notice verifies and 401 when not.
//
//   POST /?with=standardwebhooks|svix|ed25519&key=…[&alter=1]
//
// alter changes a byte of the body before it is verified. Once it listens it
// prints its port.
"use strict";

const crypto = require("node:crypto");
const http = require("node:http");

const verifiers = {
  standardwebhooks: (key) => new (require("standardwebhooks").Webhook)(key),
  svix: (key) => new (require("svix").Webhook)(key),
  ed25519: (key) => ({ verify: (body, headers) => verifyPair(key, body, headers) }),
};

// verifyPair follows https://www.standardwebhooks.com: v1a signs the same text
// as v1, and "whpk_" is the base64 of the 32 bytes of a public key.
function verifyPair(key, body, headers) {
  const x = Buffer.from(key.slice("whpk_".length), "base64").toString("base64url");
  const publicKey = crypto.createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  const signed = Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`);
  const values = headers["webhook-signature"].split(" ").filter((v) => v.startsWith("v1a,"));
  if (!values.some((v) => crypto.verify(null, signed, publicKey, Buffer.from(v.slice(4), "base64")))) {
    throw new Error("no v1a signature of this key");
  }
}

const server = http.createServer(async (req, res) => {
  const wants = new URL(req.url, "http://localhost").searchParams;
  const parts = [];
  for await (const part of req) parts.push(part);
  const body = Buffer.concat(parts);
  if (wants.get("alter")) body[body.length >> 1] ^= 1;
  try {
    verifiers[wants.get("with")](wants.get("key")).verify(body.toString(), req.headers);
    res.writeHead(200).end();
  } catch (err) {
    process.stderr.write(`${wants.get("with")}: ${err.message}\n`);
    res.writeHead(401).end();
  }
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
