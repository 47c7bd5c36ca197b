"""Networks that have not learned."""

import torch


def setNormalisation(model):
    """Have it do something: it begins with doing nothing."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for numbers in (module.weight, module.running_var):
                torch.nn.init.uniform_(numbers, 0.5, 2)
            for numbers in (module.bias, module.running_mean):
                torch.nn.init.normal_(numbers, std=0.1)
