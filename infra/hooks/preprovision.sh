#!/bin/sh
# Before anything is built: are the tools here, is somebody signed in, and is there a group to build in?
. "$(dirname "$0")/common.sh"

need az openssl
az account show --output none 2>/dev/null || die "az is not signed in: run az login (azd has a sign-in of its own)"

subscription=${AZURE_SUBSCRIPTION_ID:-$(az account show --query id --output tsv)}
az account set --subscription "$subscription" || die "az does not see subscription $subscription"

[ -n "${AZURE_LOCATION:-}" ] || die "no region: azd env set AZURE_LOCATION swedencentral (az functionapp list-flexconsumption-locations lists them)"
group=${AZURE_RESOURCE_GROUP:-rg-lydian-${AZURE_ENV_NAME:-production}}
if [ "$(az group exists --name "$group")" != true ]; then
  say "making the resource group $group in $AZURE_LOCATION"
  # The tag says that it is this environment's: azd down would ask whose it is.
  az group create --name "$group" --location "$AZURE_LOCATION" --tags "azd-env-name=${AZURE_ENV_NAME:-production}" --output none
fi
if [ -z "${AZURE_RESOURCE_GROUP:-}" ] && command -v azd >/dev/null 2>&1; then
  azd env set AZURE_RESOURCE_GROUP "$group"
fi

# A provider that was never used in this subscription refuses everything; to register it again changes nothing.
for provider in Microsoft.App Microsoft.Cdn Microsoft.CognitiveServices Microsoft.EventGrid Microsoft.Insights Microsoft.KeyVault \
  Microsoft.ManagedIdentity Microsoft.Network Microsoft.OperationalInsights Microsoft.Storage Microsoft.Web; do
  # Waited for: Azure refuses what is asked for meanwhile. A right on the subscription, which who has only a group lacks; in most
  # subscriptions they are registered already.
  az provider register --namespace "$provider" --wait --output none 2>/dev/null ||
    say "not registered: $provider. If Azure refuses what follows, ask an owner for: az provider register --namespace $provider"
done
say "ready to build in $group"
