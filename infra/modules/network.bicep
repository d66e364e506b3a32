// The private network: the apps reach storage, vault and models inside it, and everything else through one public address,
// which partners may put on their lists.
param location string
param suffix string
param tags object
param storageId string
param vaultId string
param openAiId string

var withoutModels = [
  { key: 'blob', target: storageId, zone: 'privatelink.blob.${environment().suffixes.storage}' }
  { key: 'queue', target: storageId, zone: 'privatelink.queue.${environment().suffixes.storage}' }
  { key: 'table', target: storageId, zone: 'privatelink.table.${environment().suffixes.storage}' }
  { key: 'vault', target: vaultId, zone: 'privatelink.vaultcore.azure.net' }
]
var hasModels = !empty(openAiId)
var models = [{ key: 'account', target: openAiId, zone: 'privatelink.openai.azure.com' }]
var endpoints = hasModels ? concat(withoutModels, models) : withoutModels

resource address 'Microsoft.Network/publicIPAddresses@2025-05-01' = {
  name: 'pip-${suffix}'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIPAllocationMethod: 'Static', publicIPAddressVersion: 'IPv4' }
}

// New networks have no way out of their own: Stripe, SendGrid and OpenAI are reached through this.
resource nat 'Microsoft.Network/natGateways@2025-05-01' = {
  name: 'ng-${suffix}'
  location: location
  tags: tags
  sku: { name: 'Standard' }
  properties: { publicIpAddresses: [{ id: address.id }], idleTimeoutInMinutes: 10 }
}

resource rules 'Microsoft.Network/networkSecurityGroups@2025-05-01' = {
  name: 'nsg-${suffix}'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'endpoints-https-from-inside'
        properties: {
          priority: 100
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: 'VirtualNetwork'
          sourcePortRange: '*'
          destinationAddressPrefix: 'VirtualNetwork'
          destinationPortRange: '443'
        }
      }
      {
        name: 'nothing-else-inside'
        properties: {
          priority: 4000
          direction: 'Inbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2025-05-01' = {
  name: 'vnet-${suffix}'
  location: location
  tags: tags
  properties: { addressSpace: { addressPrefixes: ['10.20.0.0/16'] } }

  // All apps share it; Flex Consumption wants this delegation and no underscore in the name.
  resource appSubnet 'subnets' = {
    name: 'snet-apps'
    properties: {
      addressPrefix: '10.20.0.0/22'
      defaultOutboundAccess: false
      natGateway: { id: nat.id }
      delegations: [{ name: 'flex', properties: { serviceName: 'Microsoft.App/environments' } }]
    }
  }

  resource endpointSubnet 'subnets' = {
    name: 'snet-endpoints'
    dependsOn: [appSubnet] // a network takes one change at a time
    properties: {
      addressPrefix: '10.20.4.0/24'
      defaultOutboundAccess: false
      networkSecurityGroup: { id: rules.id }
      privateEndpointNetworkPolicies: 'Enabled'
    }
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for endpoint in endpoints: {
  name: endpoint.zone
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for i in range(0, length(endpoints)): {
  parent: zones[i]
  name: 'link-${suffix}'
  location: 'global'
  tags: tags
  properties: { virtualNetwork: { id: network.id }, registrationEnabled: false }
}]

resource privateEndpoints 'Microsoft.Network/privateEndpoints@2025-05-01' = [for endpoint in endpoints: {
  name: 'pep-${suffix}-${endpoint.key}'
  location: location
  tags: tags
  properties: {
    subnet: { id: network::endpointSubnet.id }
    privateLinkServiceConnections: [
      { name: endpoint.key, properties: { privateLinkServiceId: endpoint.target, groupIds: [endpoint.key] } }
    ]
  }
}]

resource records 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-05-01' = [for i in range(0, length(endpoints)): {
  parent: privateEndpoints[i]
  name: 'default'
  properties: { privateDnsZoneConfigs: [{ name: endpoints[i].key, properties: { privateDnsZoneId: zones[i].id } }] }
}]

output appSubnetId string = network::appSubnet.id
