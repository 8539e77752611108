// Checks a model signature with Sigstore's own JavaScript library: node verify.mjs SIGNATURE PUBLIC_KEY
import { createPublicKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import process from 'node:process'

const require = createRequire(`${process.env.SIGSTORE}/`)
const { bundleFromJSON } = require('@sigstore/bundle')
const { Verifier, toSignedEntity } = require('@sigstore/verify')

const [signature, key] = process.argv.slice(2)
const publicKey = createPublicKey(readFileSync(key, 'utf8'))
const trust = {
  certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [],
  publicKey: () => ({ publicKey, validFor: () => true }),
}
const thresholds = { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 }
new Verifier(trust, thresholds).verify(toSignedEntity(bundleFromJSON(JSON.parse(readFileSync(signature, 'utf8')))))
