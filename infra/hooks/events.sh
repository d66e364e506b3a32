#!/bin/sh
# The blob subscription: after the code, since its key and its handshake come from the running app.
. "$(dirname "$0")/common.sh"

need az
want AZURE_RESOURCE_GROUP FILES_APP FILES_CONTAINER EVENT_TOPIC

key=
has_key() {
  key=$(az functionapp keys list --resource-group "$AZURE_RESOURCE_GROUP" --name "$FILES_APP" --query systemKeys.blobs_extension \
    --output tsv 2>/dev/null || true)
  [ -n "$key" ] && [ "$key" != None ]
}
retry 30 "waiting for the key of $FILES_APP's blob trigger" has_key

# In a file of our own, not among the arguments: those are seen by everybody on the machine.
umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/events.parameters.json" <<JSON
{
  "\$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#",
  "contentVersion": "1.0.0.0",
  "parameters": {
    "topicName": { "value": "$EVENT_TOPIC" },
    "appName": { "value": "$FILES_APP" },
    "container": { "value": "$FILES_CONTAINER" },
    "blobsExtensionKey": { "value": "$key" }
  }
}
JSON
subscribe() {
  az deployment group create --resource-group "$AZURE_RESOURCE_GROUP" --name events --template-file infra/events.bicep \
    --parameters "@$folder/events.parameters.json" --output none
}
# Event Grid's handshake is answered by the app, which may still be starting.
retry 5 "subscribing $FILES_APP to new blobs" subscribe
say "new blobs of $FILES_CONTAINER lead to $FILES_APP"
